CREATE TABLE virtual_domains (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL);
CREATE TABLE virtual_users (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, domain_id INT NOT NULL, email VARCHAR(100) NOT NULL UNIQUE, password VARCHAR(150) NOT NULL, quota BIGINT NOT NULL DEFAULT 0);
CREATE TABLE virtual_aliases (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, domain_id INT NOT NULL, source VARCHAR(100) NOT NULL, destination VARCHAR(100) NOT NULL);
INSERT INTO virtual_domains (name) VALUES ('example.org');
INSERT INTO virtual_users (domain_id, email, password) VALUES (1, 'alice@example.org', '@HASH@'), (1, 'bob@example.org', '@HASH@');
INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (1, 'sales@example.org', 'alice@example.org');
