CREATE TABLE domains (domain_id MEDIUMINT NOT NULL AUTO_INCREMENT PRIMARY KEY, domain VARCHAR(64) NOT NULL, enabled TINYINT(1) NOT NULL DEFAULT 1);
CREATE TABLE users (user_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, domain_id MEDIUMINT NOT NULL, localpart VARCHAR(64) NOT NULL, username VARCHAR(255) NOT NULL, crypt VARCHAR(255), uid SMALLINT UNSIGNED NOT NULL DEFAULT 65534, gid SMALLINT UNSIGNED NOT NULL DEFAULT 65534, smtp VARCHAR(255), pop VARCHAR(255), type ENUM('local', 'alias', 'catch', 'fail', 'piped') NOT NULL DEFAULT 'local', enabled TINYINT(1) NOT NULL DEFAULT 1, UNIQUE KEY username (username));
INSERT INTO domains (domain) VALUES ('example.org');
INSERT INTO users (domain_id, localpart, username, crypt, smtp, pop, type) VALUES
  (1, 'alice', 'alice@example.org', '@HASH@', '@DIR@/mail/alice/Maildir', '@DIR@/mail/alice', 'local'),
  (1, 'info', 'info@example.org', NULL, 'alice@example.org', NULL, 'alias');
