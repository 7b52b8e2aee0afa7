CREATE TABLE domain (
  domain VARCHAR(255) NOT NULL PRIMARY KEY,
  description VARCHAR(255) NOT NULL DEFAULT '',
  active TINYINT(1) NOT NULL DEFAULT 1
);
CREATE TABLE mailbox (
  username VARCHAR(255) NOT NULL PRIMARY KEY,
  password VARCHAR(255) NOT NULL,
  name VARCHAR(255) NOT NULL DEFAULT '',
  domain VARCHAR(255) NOT NULL,
  active TINYINT(1) NOT NULL DEFAULT 1
);
INSERT INTO domain (domain) VALUES ('example.org'), ('example.net');
INSERT INTO mailbox (username, password, domain) VALUES
  ('alice@example.org', '@HASH@', 'example.org'),
  ('bob@example.net', '@HASH@', 'example.net');
