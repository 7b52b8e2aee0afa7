CREATE TABLE core_user (id SERIAL PRIMARY KEY, email VARCHAR(254) NOT NULL, password VARCHAR(256) NOT NULL, is_active BOOLEAN NOT NULL DEFAULT TRUE);
CREATE TABLE admin_domain (id SERIAL PRIMARY KEY, name VARCHAR(100) UNIQUE NOT NULL, enabled BOOLEAN NOT NULL DEFAULT TRUE);
CREATE TABLE admin_mailbox (id SERIAL PRIMARY KEY, address VARCHAR(252) NOT NULL, quota INT NOT NULL DEFAULT 0, domain_id INT NOT NULL REFERENCES admin_domain(id), user_id INT NOT NULL REFERENCES core_user(id), is_send_only BOOLEAN NOT NULL DEFAULT FALSE);
INSERT INTO core_user (email, password) VALUES ('alice@example.org', '@HASH@'), ('bob@example.org', '@HASH@');
INSERT INTO admin_domain (name) VALUES ('example.org');
INSERT INTO admin_mailbox (address, domain_id, user_id) VALUES ('alice', 1, 1), ('bob', 1, 2);
