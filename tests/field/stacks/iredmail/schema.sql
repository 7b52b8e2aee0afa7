CREATE TABLE domain (domain VARCHAR(255) PRIMARY KEY, backupmx INT NOT NULL DEFAULT 0, active INT NOT NULL DEFAULT 1);
CREATE TABLE mailbox (
  username VARCHAR(255) PRIMARY KEY,
  password VARCHAR(255) NOT NULL DEFAULT '',
  domain VARCHAR(255) NOT NULL,
  maildir VARCHAR(255) NOT NULL,
  quota BIGINT NOT NULL DEFAULT 0,
  allow_nets TEXT DEFAULT NULL,
  active INT NOT NULL DEFAULT 1,
  enableimap INT NOT NULL DEFAULT 1,
  enableimapsecured INT NOT NULL DEFAULT 1,
  enableimaptls INT NOT NULL DEFAULT 1,
  enablepop3 INT NOT NULL DEFAULT 1,
  enablepop3secured INT NOT NULL DEFAULT 1,
  enablepop3tls INT NOT NULL DEFAULT 1,
  enablesmtp INT NOT NULL DEFAULT 1,
  enablesmtpsecured INT NOT NULL DEFAULT 1,
  enablesieve INT NOT NULL DEFAULT 1,
  enablesievesecured INT NOT NULL DEFAULT 1,
  enabledoveadm INT NOT NULL DEFAULT 1,
  enablelmtp INT NOT NULL DEFAULT 1
);
INSERT INTO domain (domain) VALUES ('example.org');
INSERT INTO mailbox (username, password, domain, maildir) VALUES
  ('alice@example.org', '@HASH@', 'example.org', 'example.org/a/alice/'),
  ('bob@example.org', '@HASH@', 'example.org', 'example.org/b/bob/');
