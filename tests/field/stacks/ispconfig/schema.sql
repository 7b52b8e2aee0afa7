CREATE TABLE mail_user (
  mailuser_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  server_id INT UNSIGNED NOT NULL DEFAULT 0,
  email VARCHAR(255) NOT NULL DEFAULT '',
  login VARCHAR(255) NOT NULL,
  password VARCHAR(255) NOT NULL,
  uid INT NOT NULL DEFAULT 65534,
  gid INT NOT NULL DEFAULT 65534,
  maildir VARCHAR(255) NOT NULL DEFAULT '',
  maildir_format VARCHAR(255) NOT NULL DEFAULT 'maildir',
  quota BIGINT NOT NULL DEFAULT -1,
  disableimap ENUM('n','y') NOT NULL DEFAULT 'n',
  disablepop3 ENUM('n','y') NOT NULL DEFAULT 'n',
  disablesmtp ENUM('n','y') NOT NULL DEFAULT 'n',
  disablesieve ENUM('n','y') NOT NULL DEFAULT 'n',
  `disablesieve-filter` ENUM('n','y') NOT NULL DEFAULT 'n',
  disablelda ENUM('n','y') NOT NULL DEFAULT 'n',
  disablelmtp ENUM('n','y') NOT NULL DEFAULT 'n',
  disabledoveadm ENUM('n','y') NOT NULL DEFAULT 'n',
  disabledeliver ENUM('n','y') NOT NULL DEFAULT 'n'
);
INSERT INTO mail_user (server_id, email, login, password, maildir) VALUES
  (1, 'alice@example.org', 'alice@example.org', '@HASH@', '@DIR@/mail/example.org/alice'),
  (1, 'bob@example.org', 'web2bob', '@HASH@', '@DIR@/mail/example.org/bob');
