CREATE TABLE mail_users (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(255) NOT NULL DEFAULT '',
  username VARCHAR(255) NOT NULL DEFAULT '',
  password VARCHAR(255) NOT NULL DEFAULT '',
  password_enc VARCHAR(255) NOT NULL DEFAULT '',
  uid INT NOT NULL DEFAULT 65534,
  gid INT NOT NULL DEFAULT 65534,
  homedir VARCHAR(255) NOT NULL DEFAULT '',
  maildir VARCHAR(255) NOT NULL DEFAULT '',
  postfix ENUM('Y','N') NOT NULL DEFAULT 'Y',
  quota BIGINT NOT NULL DEFAULT 0,
  pop3 TINYINT(1) NOT NULL DEFAULT 1,
  imap TINYINT(1) NOT NULL DEFAULT 1,
  UNIQUE KEY email (email)
);
INSERT INTO mail_users (email, username, password_enc, homedir, maildir) VALUES
  ('alice@example.org', 'alice@example.org', '@HASH@', '@DIR@/mail/', 'web1/alice/'),
  ('bob@example.org', 'bob@example.org', '@HASH@', '@DIR@/mail/', 'web1/bob/');
