CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, password TEXT NOT NULL, extra, privileges TEXT NOT NULL DEFAULT '', quota TEXT NOT NULL DEFAULT '0');
CREATE TABLE aliases (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL UNIQUE, destination TEXT NOT NULL, permitted_senders TEXT);
INSERT INTO users (email, password) VALUES ('alice@example.org', '@HASH@'), ('bob@example.org', '@HASH@');
INSERT INTO aliases (source, destination) VALUES ('info@example.org', 'alice@example.org');
