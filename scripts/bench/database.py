"""A WordPress database with a shop in it, in a private MariaDB server: made once, its data folder cached.

At scale 1 it is about 1 GB of SQL in 2.9 million rows. Each run works on a copy of the cached folder, so edits need
no undoing.
"""

import os
import random
import shutil
import socket
import subprocess
import time
from collections import namedtuple
from pathlib import Path

from data import OLDEST
from text import LANGUAGES, Prose

VERSION = 1  # raise it when what is made changes
SCHEMA, USER, PASSWORD = "wordpress", "bench", "bench"
RESTORED = "restored"  # the schema that dumps are loaded into
CLOCK = os.sysconf("SC_CLK_TCK")

Table = namedtuple("Table", "name rows columns keys row")  # rows at scale 1; row(words, rng, id) gives the columns


class Words:
    """Prose in every language, and what rows are made of."""

    def __init__(self):
        self.prose = [Prose(language) for language in LANGUAGES]

    def text(self, rng, phrases):
        """So many phrases; half the site's text is in the first language."""
        return self.pick(rng).text(rng, phrases)

    def pick(self, rng):
        """A language."""
        drawn = int(rng.random() * 2 * len(self.prose))
        return self.prose[drawn if drawn < len(self.prose) else 0]


def stamp(seconds):
    """A DATETIME, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(OLDEST + seconds))


def post(words, rng, number):
    prose, when = words.pick(rng), stamp(number * 900)
    content = prose.paragraphs(rng, 1 + int(rng.random() * 9), 8 + int(rng.random() * 16))
    title, kind = prose.text(rng, 2), rng.choices(("post", "page", "revision", "product", "attachment"))[0]
    return (number, 1 + int(rng.random() * 40), when, when, content, title, prose.text(rng, 3), "publish", f"{kind}-{number}",
            when, when, f"https://shop.example/?p={number}", kind, int(rng.random() * 9))


def post_meta(words, rng, number):
    drawn = rng.random()
    if drawn < 0.1:
        key, value = "_wp_attachment_metadata", sizes(rng, number)
    elif drawn < 0.4:
        key, value = "_price", f"{rng.random() * 900:.2f}"
    elif drawn < 0.7:
        key, value = "_edit_lock", f"{OLDEST + number}:{int(rng.random() * 40)}"
    else:
        key, value = "_yoast_wpseo_metadesc", words.text(rng, 4)
    return number, 1 + number // 12, key, value


def sizes(rng, number):
    """What WordPress keeps of a picture, in PHP's serialized form."""
    file = f"2024/{1 + number % 12:02}/picture-{number}"
    parts = "".join(
        f's:{len(name)}:"{name}";a:3:{{s:4:"file";s:{len(file) + 8}:"{file}-{edge:03}.jpg";s:5:"width";i:{edge};'
        f's:8:"filesize";i:{int(rng.random() * 300_000)};}}'
        for name, edge in (("thumbnail", 150), ("medium", 300), ("large", 768))
    )
    return f'a:2:{{s:4:"file";s:{len(file) + 4}:"{file}.jpg";s:5:"sizes";a:3:{{{parts}}}}}'


def option(words, rng, number):
    count = 1 + int(rng.random() * 30)
    items = []
    for place in range(count):
        value = words.text(rng, 2)
        items.append(f'i:{place};s:{len(value.encode())}:"{value}";')
    return number, f"_transient_widget_{number}", f"a:{count}:{{{''.join(items)}}}", ("yes", "no")[number % 2]


def comment(words, rng, number):
    when, address = stamp(number * 450), f"10.{number % 251}.{int(rng.random() * 256)}.{int(rng.random() * 256)}"
    author = words.text(rng, 1)
    return (number, 1 + int(rng.random() * 90_000), author, f"reader{number}@mail.example", address, when,
            words.text(rng, 2 + int(rng.random() * 12)), "1", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "comment")


def order_item(words, rng, number):
    return number, words.text(rng, 1), rng.choices(("line_item", "shipping", "tax"))[0], 1 + number // 3


def order_item_meta(words, rng, number):
    key = rng.choices(("_product_id", "_qty", "_line_total", "_line_tax", "_tax_class", "pa_colour"))[0]
    return number, 1 + number // 5, key, words.text(rng, 1) if key == "pa_colour" else f"{rng.random() * 500:.4f}"


def action(words, rng, number):
    arguments = f'{{"order":{int(rng.random() * 300_000)},"step":{number % 7},"note":"{words.text(rng, 2)}"}}'
    return number, "woocommerce_deliver_webhook_async", "complete", stamp(number * 300), arguments, number % 3


TABLES = (
    Table("wp_posts", 170_000, "ID bigint unsigned NOT NULL AUTO_INCREMENT, post_author bigint unsigned NOT NULL, post_date "
          "datetime NOT NULL, post_date_gmt datetime NOT NULL, post_content longtext NOT NULL, post_title text NOT NULL, "
          "post_excerpt text NOT NULL, post_status varchar(20) NOT NULL, post_name varchar(200) NOT NULL, post_modified "
          "datetime NOT NULL, post_modified_gmt datetime NOT NULL, guid varchar(255) NOT NULL, post_type varchar(20) NOT "
          "NULL, comment_count bigint NOT NULL", "PRIMARY KEY (ID), KEY post_name (post_name(191)), KEY type_status_date "
          "(post_type, post_status, post_date, ID), KEY post_author (post_author)", post),
    Table("wp_postmeta", 1_250_000, "meta_id bigint unsigned NOT NULL AUTO_INCREMENT, post_id bigint unsigned NOT NULL, "
          "meta_key varchar(255), meta_value longtext", "PRIMARY KEY (meta_id), KEY post_id (post_id), KEY meta_key "
          "(meta_key(191))", post_meta),
    Table("wp_options", 30_000, "option_id bigint unsigned NOT NULL AUTO_INCREMENT, option_name varchar(191) NOT NULL, "
          "option_value longtext NOT NULL, autoload varchar(20) NOT NULL", "PRIMARY KEY (option_id), UNIQUE KEY option_name "
          "(option_name), KEY autoload (autoload)", option),
    Table("wp_comments", 260_000, "comment_ID bigint unsigned NOT NULL AUTO_INCREMENT, comment_post_ID bigint unsigned NOT "
          "NULL, comment_author tinytext NOT NULL, comment_author_email varchar(100) NOT NULL, comment_author_IP varchar(100) "
          "NOT NULL, comment_date datetime NOT NULL, comment_content text NOT NULL, comment_approved varchar(20) NOT NULL, "
          "comment_agent varchar(255) NOT NULL, comment_type varchar(20) NOT NULL", "PRIMARY KEY (comment_ID), KEY "
          "comment_post_ID (comment_post_ID), KEY comment_author_email (comment_author_email(10))", comment),
    Table("wp_woocommerce_order_items", 320_000, "order_item_id bigint unsigned NOT NULL AUTO_INCREMENT, order_item_name text "
          "NOT NULL, order_item_type varchar(200) NOT NULL, order_id bigint unsigned NOT NULL", "PRIMARY KEY (order_item_id), "
          "KEY order_id (order_id)", order_item),
    Table("wp_woocommerce_order_itemmeta", 750_000, "meta_id bigint unsigned NOT NULL AUTO_INCREMENT, order_item_id bigint "
          "unsigned NOT NULL, meta_key varchar(255), meta_value longtext", "PRIMARY KEY (meta_id), KEY order_item_id "
          "(order_item_id), KEY meta_key (meta_key(32))", order_item_meta),
    Table("wp_actionscheduler_actions", 120_000, "action_id bigint unsigned NOT NULL AUTO_INCREMENT, hook varchar(191) NOT "
          "NULL, status varchar(20) NOT NULL, scheduled_date_gmt datetime, args varchar(8000), claim_id bigint unsigned NOT "
          "NULL", "PRIMARY KEY (action_id), KEY hook_status (hook(163), status), KEY claim_id (claim_id)", action),
)


class Server:
    """A MariaDB server of our own on a free port of 127.0.0.1, with its data in `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.process = None
        self.port = None

    def create(self):
        """Makes an empty data folder."""
        self.folder.mkdir(parents=True)
        call(["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}", "--auth-root-authentication-method=normal",
              "--skip-test-db", *as_root()])

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # The socket's path has to be short: the server's folder is no place for it.
        self.socket = f"/tmp/undercroft-bench-{os.getpid()}.sock"
        self.log = open(self.folder.parent / "server.log", "ab")
        self.process = subprocess.Popen(
            [binary("mariadbd"), "--no-defaults", f"--datadir={self.folder}", f"--port={self.port}", "--bind-address=127.0.0.1",
             f"--socket={self.socket}", "--innodb-buffer-pool-size=2G", "--innodb-flush-log-at-trx-commit=0",
             "--innodb-log-file-size=512M", "--max-allowed-packet=64M", "--secure-file-priv=", "--skip-log-bin",
             "--character-set-server=utf8mb4", *as_root()],
            stdout=self.log, stderr=self.log, start_new_session=True)  # a Ctrl-C is not for the server: we end it in order
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def wait(self):
        """Waits until the server answers."""
        while subprocess.run(["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "-uroot", "ping"],
                             capture_output=True).returncode:
            if self.process.poll() is not None:
                raise OSError(f"mariadbd ended at its start; see {self.log.name}")
            time.sleep(0.1)

    def sql(self, text, schema=SCHEMA):
        """Runs statements as root and returns what they print."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-N", "--default-character-set=utf8mb4"]
        return call(command + ([schema] if schema else []), text)

    def empty(self, schema):
        """Makes a schema anew."""
        self.sql(f"DROP DATABASE IF EXISTS {schema}; CREATE DATABASE {schema}", None)

    def rows(self, schema):
        """How many rows each table has."""
        return [int(self.sql(f"SELECT COUNT(*) FROM {table.name}", schema)) for table in TABLES]

    def cpu(self):
        """CPU seconds that the server has used since its start."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK


class Database:
    """The cached database."""

    name, title = "database", "a WordPress database"

    def __init__(self, cache, scale, seed):
        self.cache, self.scale, self.seed = cache, scale, seed
        self.folder = cache / f"database-{scale:g}-seed{seed}-v{VERSION}"
        self.words = None
        self.rows = {table.name: max(20, round(table.rows * scale)) for table in TABLES}

    def make(self, tell):
        """Makes the cached data folder unless it is there."""
        if (self.folder / "made").exists():
            return
        tell(f"making {self.title}: {sum(self.rows.values()):,} rows (once)")
        shutil.rmtree(self.folder, ignore_errors=True)
        server = Server(self.folder / "data")
        server.create()
        with server:
            server.sql(f"CREATE DATABASE {SCHEMA}; CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; "
                       f"GRANT ALL ON *.* TO {USER}@'127.0.0.1';", None)
            for table in TABLES:
                server.sql(f"CREATE TABLE {table.name} ({table.columns}, {table.keys}) ENGINE=InnoDB CHARSET=utf8mb4")
                rng = random.Random(f"{table.name} {self.seed}")
                self.load(server, table, rng, range(1, self.rows[table.name] + 1))
        (self.folder / "made").touch()

    def edit(self, server, generation):
        """Gives 0.1 % of the rows, drawn at random, other content, and adds 1 % at each table's end."""
        for table in TABLES:
            rng, rows = random.Random(f"edit {table.name} {self.seed} {generation}"), self.rows[table.name]
            drawn = sorted({1 + int(rng.random() * rows) for _ in range(max(1, rows // 1000))})
            self.load(server, table, rng, [*drawn, *range(rows + 1, rows + 1 + max(1, rows // 100))])

    def load(self, server, table, rng, numbers):
        """Writes these rows, over what is there."""
        self.words = self.words or Words()
        path = server.folder.parent / "rows.tsv"
        with open(path, "w", encoding="utf-8") as file:
            for number in numbers:
                values = map(str, table.row(self.words, rng, number))
                file.write("\t".join(v.replace("\\", "\\\\").replace("\n", "\\n") for v in values) + "\n")
        server.sql(f"SET unique_checks=0, foreign_key_checks=0; LOAD DATA INFILE '{path}' REPLACE INTO TABLE {table.name} "
                   "CHARACTER SET utf8mb4;")
        path.unlink()


def binary(name):
    """Where a server's program is: Debian keeps it out of an ordinary user's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin") or name


def as_root():
    """The server refuses to be root's unless told."""
    return ["--user=root"] if os.geteuid() == 0 else []


def call(command, text=None):
    """Runs a helper of ours, unmeasured; returns what it prints."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
