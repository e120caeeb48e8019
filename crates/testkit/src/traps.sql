-- A schema that holds every trap that dumps of MySQL and MariaDB are known to fall into.
-- For MariaDB 10.11 and later; loaded into an empty schema.

SET NAMES utf8mb4;
SET time_zone = '+02:00';
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';

-- Every type, at its bounds.
CREATE TABLE numbers (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tiny TINYINT, small SMALLINT UNSIGNED, medium MEDIUMINT, wide BIGINT, widest BIGINT UNSIGNED,
  filled INT(7) ZEROFILL, exact DECIMAL(65, 30), half FLOAT, fixed FLOAT(10, 2), whole DOUBLE,
  flags BIT(9), flag BIT(1), born YEAR
) ENGINE=InnoDB;
INSERT INTO numbers VALUES
  (0, -128, 65535, -8388608, -9223372036854775808, 18446744073709551615, 42,
   99999999999999999999999999999999999.999999999999999999999999999999, 3.4028234663852886e38, 12345678.91,
   1.7976931348623157e308, b'111111111', b'1', 2155),
  (1, 127, 0, 8388607, 9223372036854775807, 0, 0, -0.000000000000000000000000000001, 1.401298464324817e-45, 0.1,
   -2.2250738585072014e-308, b'0', b'0', 0),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 0, 0, 0, 0, 0, 0, 0, 0.1, 99999.99, 0.1, b'1010', b'1', 1901),
  (4, 0, 0, 0, 0, 0, 0, 0, 16777217, -0.01, 4.9e-324, b'1010', b'1', 1901),
  (-7, 0, 0, 0, 0, 0, 0, 0, -1.17549435e-38, 7, 123456789012345678, b'1', b'1', 2000);

CREATE TABLE times (
  id INT PRIMARY KEY, day DATE, moment DATETIME(6), stamp TIMESTAMP(6) NULL, zero DATETIME NOT NULL DEFAULT '0000-00-00',
  span TIME(3), made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP
);
INSERT INTO times VALUES
  (1, '0000-00-00', '9999-12-31 23:59:59.999999', '1970-01-01 02:00:01', '0000-00-00', '-838:59:59.000', '2026-03-29 03:30:00'),
  (2, '1000-01-01', '2026-00-00 00:00:00', '2038-01-19 05:14:07.999999', '2026-02-30', '838:59:59', '2026-10-25 02:30:00'),
  (3, NULL, NULL, NULL, '2000-01-01', NULL, '2000-01-01');

CREATE TABLE texts (
  id INT PRIMARY KEY,
  wide LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
  three VARCHAR(100) CHARACTER SET utf8mb3,
  latin VARCHAR(100) CHARACTER SET latin1, cyrillic VARCHAR(100) CHARACTER SET cp1251,
  chinese VARCHAR(100) CHARACTER SET gbk, two VARCHAR(100) CHARACTER SET ucs2, four VARCHAR(100) CHARACTER SET utf32,
  plain VARCHAR(100) CHARACTER SET ascii, padded CHAR(10) CHARACTER SET utf8mb4,
  choice ENUM('a', 'b''c', 'ü', 'x,y') CHARACTER SET utf8mb4, several SET('a', 'b', 'ü') CHARACTER SET utf8mb4,
  doc JSON, id_of UUID, address INET6, FULLTEXT KEY (wide)
);
INSERT INTO texts VALUES
  (1, 'emoji 😀 and \0 nul, \Z sub, \n\r\t \\ back, '' quote, " double, `tick`, % _ ; -- # /* */ /*! */ \b',
   'été €', 'été €', 'Привет', '中文', 'été €', '😀', 'plain', 'end  ', 'b''c', 'a,ü', '{"a": "é\\n😀"}',
   '123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329'),
  (2, '', '', '', '', '', '', '', '', '', '', '', '[]', NULL, '::'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, REPEAT('line\n', 50000), 'x', _latin1 0x8081828D8F909D9FFF7F, _cp1251 0x988098FF, _gbk 0x815CA1A1BF5C, _ucs2 0xD83D005C,
   _utf32 0x0001F600, _ascii 0x7F01, ' lead', 'ü', '', '"\\u00e9"', NULL, NULL);
INSERT INTO texts (id, wide) VALUES (5, 'DELIMITER ;;\nsource x\n\\! ls\n-- Dump completed\n');

CREATE TABLE bytes (
  id VARBINARY(20) PRIMARY KEY, fixed BINARY(8), blobs LONGBLOB, place POINT, area GEOMETRY, many MULTIPOINT
);
INSERT INTO bytes VALUES
  ('', 0x00, '', POINT(1.5, -2), ST_GeomFromText('POLYGON((0 0, 0 5, 5 5, 5 0, 0 0))', 4326), ST_GeomFromText('MULTIPOINT(1 1, 2 2)')),
  (0x00FF, 0xFFFFFFFFFFFFFFFF, 0x0027225C0A0D1A25FF80, NULL, NULL, NULL),
  ('null', NULL, NULL, NULL, NULL, NULL),
  (0x80, 'a', REPEAT(0x00275C, 70000), NULL, ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'), NULL);

-- Names that have to be quoted.
CREATE TABLE `back``tick and space` (`se``lect` INT, `a b` INT, `é` INT, `new
line` INT, KEY `in``dex` (`a b`)) COMMENT='it''s a \\ `table`';
INSERT INTO `back``tick and space` VALUES (1, 2, 3, 4);
CREATE TABLE `new
line; DROP TABLE numbers` (a INT);
INSERT INTO `new
line; DROP TABLE numbers` VALUES (1);
CREATE TABLE `select` (`from` INT PRIMARY KEY, `where` INT);
INSERT INTO `select` VALUES (1, 1);
CREATE TABLE `Größe$ 表` (a INT);
INSERT INTO `Größe$ 表` VALUES (1);

-- Columns that are not simply there.
CREATE TABLE computed (
  id INT PRIMARY KEY, a INT, hidden INT INVISIBLE DEFAULT 4, twice INT AS (a * 2) VIRTUAL, thrice INT AS (a * 3) STORED,
  named VARCHAR(20) DEFAULT (CONCAT('a', 'b')), at_least INT CHECK (at_least > 0), KEY (thrice)
);
INSERT INTO computed (id, a, hidden, at_least) VALUES (1, 1, 9, 1), (2, NULL, NULL, NULL);
CREATE TABLE only_hidden (shown INT, a INT INVISIBLE);
INSERT INTO only_hidden (shown, a) VALUES (1, 2);
CREATE TABLE only_computed (a INT AS (1) VIRTUAL, b INT INVISIBLE DEFAULT 3);
INSERT INTO only_computed () VALUES (), ();

-- Keys of all sorts.
CREATE TABLE no_key (a INT, b TEXT);
INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
CREATE TABLE unique_key (a INT NOT NULL, b INT NOT NULL, UNIQUE KEY (b, a), UNIQUE KEY (a));
INSERT INTO unique_key VALUES (2, 1), (1, 2);
CREATE TABLE prefix_key (a VARCHAR(200) NOT NULL, PRIMARY KEY (a(3)));
INSERT INTO prefix_key VALUES ('zebra'), ('ape');
CREATE TABLE falling_key (a INT, b INT, PRIMARY KEY (a DESC, b));
INSERT INTO falling_key VALUES (1, 1), (1, 2), (2, 1);
CREATE TABLE float_key (a FLOAT PRIMARY KEY);
INSERT INTO float_key VALUES (0.1), (-1e-30), (16777216);

-- Tables that name each other, in a circle.
CREATE TABLE parent (id INT PRIMARY KEY, best INT, KEY (best));
CREATE TABLE child (id INT PRIMARY KEY, parent INT, CONSTRAINT `has parent` FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE);
ALTER TABLE parent ADD CONSTRAINT has_best FOREIGN KEY (best) REFERENCES child (id) ON DELETE SET NULL;
INSERT INTO parent VALUES (1, NULL);
INSERT INTO child VALUES (1, 1);
UPDATE parent SET best = 1;

-- Other engines and layouts.
CREATE TABLE isam (id INT PRIMARY KEY, a VARCHAR(20), KEY (a)) ENGINE=MyISAM;
INSERT INTO isam VALUES (2, 'b'), (1, 'a');
CREATE TABLE aria (a INT) ENGINE=Aria TRANSACTIONAL=1;
INSERT INTO aria VALUES (1);
CREATE TABLE memory (a INT) ENGINE=MEMORY;
INSERT INTO memory VALUES (1);
CREATE TABLE merged (id INT, a VARCHAR(20), KEY (id)) ENGINE=MRG_MyISAM UNION=();
CREATE TABLE squeezed (id INT PRIMARY KEY, a TEXT COMPRESSED) ROW_FORMAT=DYNAMIC PAGE_COMPRESSED=1;
INSERT INTO squeezed VALUES (1, REPEAT('squeeze ', 1000));
CREATE TABLE parted (id INT, born INT, PRIMARY KEY (id, born)) PARTITION BY RANGE (born)
  (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parted VALUES (3, 1), (1, 20), (2, 5);

-- Sequences: fresh, with numbers held ready, without, used up, counting down and round.
CREATE SEQUENCE fresh START WITH 7;
CREATE SEQUENCE held CACHE 100;
SELECT NEXTVAL(held), NEXTVAL(held) INTO @a, @b;
CREATE SEQUENCE unheld START WITH 5 INCREMENT BY 3 NOCACHE;
SELECT NEXTVAL(unheld) INTO @a;
CREATE SEQUENCE used_up MAXVALUE 2 NOCACHE;
SELECT NEXTVAL(used_up), NEXTVAL(used_up) INTO @a, @b;
CREATE SEQUENCE `down and round` INCREMENT BY -2 MINVALUE 1 MAXVALUE 5 START WITH 5 NOCACHE CYCLE;
SELECT NEXTVAL(`down and round`), NEXTVAL(`down and round`), NEXTVAL(`down and round`), NEXTVAL(`down and round`) INTO @a, @b, @c, @d;
CREATE TABLE numbered (id INT PRIMARY KEY DEFAULT NEXTVAL(unheld), a INT);
INSERT INTO numbered (a) VALUES (1), (2);

-- Tables that keep their past.
CREATE TABLE past (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING;
INSERT INTO past VALUES (1, 1), (2, 2);
UPDATE past SET a = 5 WHERE id = 1;
DELETE FROM past WHERE id = 2;
CREATE TABLE named_past (id INT, a INT, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE,
  until TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING;
INSERT INTO named_past VALUES (1, 1), (2, 2);
UPDATE named_past SET a = 5;
CREATE TABLE counted_past (id INT PRIMARY KEY, a INT, since BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE,
  until BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING;
INSERT INTO counted_past VALUES (1, 1);

-- Programs: several triggers in an order of their own, odd delimiters and comments, other settings.
CREATE TABLE watched (id INT PRIMARY KEY, note TEXT);
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT);
INSERT INTO watched VALUES (1, 'there before its triggers');
DELIMITER //
CREATE TRIGGER second AFTER INSERT ON watched FOR EACH ROW INSERT INTO log (note) VALUES ('second;; ')//
CREATE TRIGGER first AFTER INSERT ON watched FOR EACH ROW PRECEDES second
BEGIN
  -- a comment; with ;; delimiters
  INSERT INTO log (note) VALUES (CONCAT('first ''"`\\ é😀 ', NEW.note)); /* and ; another */
END//
CREATE TRIGGER `third one` BEFORE UPDATE ON watched FOR EACH ROW SET NEW.note = 'x' -- trailing comment//
//
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'//
CREATE TRIGGER quoted BEFORE DELETE ON watched FOR EACH ROW INSERT INTO "log" ("note") VALUES ('back\slash' || OLD.note)//
CREATE FUNCTION "double it" (a INT) RETURNS INT DETERMINISTIC COMMENT 'it''s' RETURN a * 2//
SET sql_mode = 'ORACLE'//
CREATE PACKAGE counting AS FUNCTION one RETURN INT; END//
CREATE PACKAGE BODY counting AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END//
SET sql_mode = 'STRICT_ALL_TABLES'//
CREATE PROCEDURE `pro``cedure`(IN a VARCHAR(20) CHARACTER SET utf8mb4, OUT b INT)
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION SET b = -1;
  SELECT COUNT(*) INTO b FROM watched WHERE note = a;
END//
SET NAMES latin1//
CREATE FUNCTION in_latin1() RETURNS VARCHAR(20) CHARACTER SET utf8mb4 DETERMINISTIC RETURN 'é'//
SET NAMES utf8mb4 COLLATE utf8mb4_bin//
CREATE AGGREGATE FUNCTION total(x INT) RETURNS INT
BEGIN
  DECLARE s INT DEFAULT 0;
  DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s;
  LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP;
END//
SET time_zone = '+05:30', sql_mode = ''//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'ü'
DO BEGIN DELETE FROM log; END//
CREATE EVENT once ON SCHEDULE AT '2035-01-01 00:00:00' DO DELETE FROM log//
DELIMITER ;

-- Views: on views that sort later, on functions, with checks, and in another character set.
SET NAMES utf8mb4;
CREATE VIEW zz_base AS SELECT id, note, 'é😀' AS face FROM watched;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `a view` AS SELECT * FROM zz_base WHERE id > 0 WITH CASCADED CHECK OPTION;
CREATE VIEW doubled AS SELECT `double it`(id) AS twice, `select`.`where` FROM `a view` JOIN `select` ON `from` = id;
SET NAMES latin1;
CREATE VIEW latin_view AS SELECT 'é' AS a;
SET NAMES utf8mb4;
