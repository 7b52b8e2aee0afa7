CREATE TABLE users (userid VARCHAR(128) NOT NULL, domain VARCHAR(128) NOT NULL, password VARCHAR(128) NOT NULL, home VARCHAR(255) NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL);
INSERT INTO users VALUES ('alice', 'example.org', '@HASH@', '@DIR@/mail/alice', 65534, 65534), ('bob', 'example.org', '@HASH@', '@DIR@/mail/bob', 65534, 65534);
