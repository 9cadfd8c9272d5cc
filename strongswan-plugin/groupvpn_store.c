/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store in an SQLite database, and one that keeps nothing.
 *
 * The journal is a write-ahead log. A durable change costs one fsync with it,
 * not three or four; one that is not durable costs none, and may be lost with
 * the power but can not damage what is there; and whoever backs up the database
 * does not hold up registrations. An fsync of the log is all that makes earlier
 * changes durable, too: so many threads can wait for one, without a lock.
 *
 * Secrets are wrapped (RFC 5649), each under a key of its own that comes from
 * the key file, the database's random ID, and the numbers in the same row. So
 * without the key file no secret can be read or moved elsewhere, and neither the
 * state of a group nor an epoch nor a Rekey SA nor a key of its tree can be
 * changed. Members, evictions and messages have no secret and are not
 * authenticated; the messages are sealed and signed.
 *
 * The key tree has a row for each key, under its place, which growth does not
 * change: so a member that joins costs one row or two, and an eviction twice as
 * many as the tree is deep.
 *
 * Both files are complete when they appear under their names. From then on the
 * key file is never written. Whoever uses the database has a lock on it, beside
 * those that SQLite takes. We read the header of one that is there before SQLite
 * sees it, and change nothing before all of it has been checked; so one that is
 * refused stays as it was. Values in it are constrained by the schema, and quick_check checks that.
 *
 * Times are kept in milliseconds of the wall clock, the only one that outlives
 * a reboot. It may jump, so what is read is bounded by the epoch's lifetime.
 */

#include "groupvpn_store.h"
#include "groupvpn_certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include <threading/condvar.h>
#include <threading/mutex.h>

#include <crypto.h>

/* "gvpn" in the header of the database, and the version of its schema */
#define APPLICATION_ID 0x6776706e
#define SCHEMA_VERSION (int)countof(schemas)

/* the header of a database, and where these two are in it */
#define HEADER_MAGIC "SQLite format 3"
#define HEADER_LEN 100
#define HEADER_VERSION 60
#define HEADER_APPLICATION 68

#define KEY_LEN 32
#define STORE_ID_LEN 16
#define KEY_CHECK_LEN 16

/* what is wrapped of an epoch: group secret and ESP key */
#define EPOCH_SECRET_LEN (GV_SECRET_LEN + GV_ESP_KEY_MAX)

/* what is wrapped of a Rekey SA: SPI, SPI of the next, KEK, signature keys */
#define KEK_SECRET_LEN (2 * GV_REKEY_SPI_LEN + GV_KEK_LEN + 2 * GV_SIGN_KEY_LEN)

/* longest secret */
#define SECRET_MAX max(EPOCH_SECRET_LEN, KEK_SECRET_LEN)

/* a node's place in the key tree: height above the leaves, number from the
 * left; growth puts nodes to the right and on top, so a node keeps its place */
#define PLACE(height, number) ((int64_t)(height) << 16 | (number))
#define PLACE_HEIGHT(place) ((place) >> 16)
#define PLACE_NUMBER(place) ((place) & 0xffff)

/* numbers in a row, and octets of a table's name */
#define NUMBERS_MAX 10
#define TABLE_MAX 8

/* statements that write */
#define STATEMENTS_MAX 16

/* how long to wait for somebody else who writes, in milliseconds */
#define BUSY_TIME 500

/* what each version has more than the one before */
static const char *const schemas[] = {
	"CREATE TABLE store ("
	" id BLOB NOT NULL CHECK (length(id) = 16),"
	" key_check BLOB NOT NULL CHECK (length(key_check) = 16)"
	") STRICT;"
	"CREATE TABLE groups ("
	" id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 0xffffffff),"
	" name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 31),"
	" route_epoch INTEGER NOT NULL"
	"  CHECK (route_epoch BETWEEN 1 AND 0xffffffff),"
	" route_secret BLOB NOT NULL,"
	" first_epoch INTEGER NOT NULL"
	"  CHECK (first_epoch BETWEEN 0 AND 0xffffffff),"
	" sender_id INTEGER NOT NULL CHECK (sender_id BETWEEN 0 AND 0xffffff),"
	" roll INTEGER NOT NULL"
	") STRICT;"
	"CREATE TABLE epochs ("
	" group_id INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL CHECK (epoch BETWEEN 1 AND 0xffffffff),"
	" tag INTEGER NOT NULL CHECK (tag BETWEEN 0x10 AND 0xbf),"
	" lifetime INTEGER NOT NULL CHECK (lifetime BETWEEN 0 AND 0xffffffff),"
	" encr INTEGER NOT NULL CHECK (encr BETWEEN 0 AND 0xffff),"
	" key_bits INTEGER NOT NULL CHECK (key_bits BETWEEN 0 AND 0xffff),"
	" integ INTEGER NOT NULL CHECK (integ BETWEEN 0 AND 0xffff),"
	" esn INTEGER NOT NULL CHECK (esn IN (0, 1)),"
	" secret BLOB NOT NULL,"
	" expires INTEGER NOT NULL,"
	" retires INTEGER NOT NULL,"
	" PRIMARY KEY (group_id, epoch)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE members ("
	" group_id INTEGER NOT NULL,"
	" member_id INTEGER NOT NULL CHECK (member_id BETWEEN 1 AND 0xffff),"
	" sender_id INTEGER NOT NULL CHECK (sender_id BETWEEN 0 AND 0xffffff),"
	" identity_type INTEGER NOT NULL CHECK (identity_type BETWEEN 0 AND 255),"
	" identity BLOB NOT NULL,"
	" class INTEGER NOT NULL CHECK (class BETWEEN 0 AND 255),"
	" PRIMARY KEY (group_id, member_id),"
	" UNIQUE (group_id, identity_type, identity)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE evictions ("
	" group_id INTEGER NOT NULL,"
	" identity_type INTEGER NOT NULL CHECK (identity_type BETWEEN 0 AND 255),"
	" identity BLOB NOT NULL,"
	" why TEXT NOT NULL,"
	" since INTEGER NOT NULL,"
	" PRIMARY KEY (group_id, identity_type, identity)"
	") STRICT, WITHOUT ROWID;",

	"CREATE TABLE rekey_sas ("
	" group_id INTEGER PRIMARY KEY CHECK (group_id BETWEEN 1 AND 0xffffffff),"
	" message_id INTEGER NOT NULL CHECK (message_id BETWEEN 0 AND 0xffffffff),"
	" lifetime INTEGER NOT NULL CHECK (lifetime BETWEEN 1 AND 0xffffffff),"
	" expires INTEGER NOT NULL,"
	" stale INTEGER NOT NULL CHECK (stale IN (0, 1)),"
	" depth INTEGER NOT NULL CHECK (depth BETWEEN 1 AND 16),"
	" next_key_id INTEGER NOT NULL"
	"  CHECK (next_key_id BETWEEN 1 AND 0xffffffff),"
	" secret BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE tree_keys ("
	" group_id INTEGER NOT NULL,"
	" place INTEGER NOT NULL CHECK (place BETWEEN 0 AND 0xfffff),"
	" member_id INTEGER NOT NULL CHECK (member_id BETWEEN 0 AND 0xffff),"
	" key_id INTEGER NOT NULL CHECK (key_id BETWEEN 1 AND 0xfffffffe),"
	" secret BLOB NOT NULL,"
	" PRIMARY KEY (group_id, place)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE rekey_messages ("
	" group_id INTEGER NOT NULL,"
	" position INTEGER NOT NULL,"
	" brings_kek INTEGER NOT NULL CHECK (brings_kek IN (0, 1)),"
	" since INTEGER NOT NULL,"
	" message BLOB NOT NULL CHECK (length(message) BETWEEN 1 AND 3016),"
	" PRIMARY KEY (group_id, position)"
	") STRICT, WITHOUT ROWID;",

	"ALTER TABLE groups ADD COLUMN admission INTEGER NOT NULL DEFAULT 0"
	" CHECK (admission BETWEEN 0 AND 0xffffffff);",

	"ALTER TABLE members ADD COLUMN certificates BLOB NOT NULL DEFAULT x''"
	" CHECK (length(certificates) <= 0xffff);"
	"ALTER TABLE rekey_messages RENAME TO rekey_messages_3;"
	"CREATE TABLE rekey_messages ("
	" group_id INTEGER NOT NULL,"
	" position INTEGER NOT NULL,"
	" brings_kek INTEGER NOT NULL CHECK (brings_kek IN (0, 1)),"
	" since INTEGER NOT NULL,"
	" message BLOB NOT NULL CHECK (length(message) BETWEEN 1 AND 0xffff),"
	" PRIMARY KEY (group_id, position)"
	") STRICT, WITHOUT ROWID;"
	"INSERT INTO rekey_messages SELECT * FROM rekey_messages_3;"
	"DROP TABLE rekey_messages_3;",
};

typedef struct private_groupvpn_store_t private_groupvpn_store_t;

/**
 * Private data
 */
struct private_groupvpn_store_t {

	/**
	 * Public interface
	 */
	groupvpn_store_t public;

	/**
	 * Paths of database and key
	 */
	char *file;
	char *key_file;

	/**
	 * Database, NULL if it is not open
	 */
	sqlite3 *db;

	/**
	 * File of the database, locked; -1 if it is not open. Closing it drops
	 * SQLite's locks, so it is open for longer than the database
	 */
	int fd;

	/**
	 * What the keys of the secrets are derived from
	 */
	uint8_t prk[GV_SECRET_LEN];

	/**
	 * Statements that write, prepared when they were first used
	 */
	struct {
		char *sql;
		sqlite3_stmt *stmt;
	} statements[STATEMENTS_MAX];

	/**
	 * Whether commits wait for the disk
	 */
	bool durable;

	/**
	 * The log, -1 if it is not open
	 */
	int log;

	/**
	 * How many changes were deferred, how many of these are known to be
	 * durable, and whether a thread is at it
	 */
	uint64_t deferred;
	uint64_t synced;
	bool syncing;

	/**
	 * The disk did not take the log: what comes behind that in it would not
	 * be found after the loss of power, even if the disk took that
	 */
	bool lost;

	/**
	 * Lock of these, and for those who wait
	 */
	mutex_t *mutex;
	condvar_t *condvar;

	/**
	 * The first error in the change that goes on, SQLITE_OK if none
	 */
	int error;

	/**
	 * The last change was not stored
	 */
	bool failing;
};

/**
 * Log why the store is not used, and what to do
 */
static bool refuse(private_groupvpn_store_t *this, char *fmt, ...)
{
	char why[BUF_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	DBG1(DBG_CFG, "groupvpn: store '%s' is not used and left as it is: %s",
		 this->file, why);
	return FALSE;
}

/**
 * The name of a file that belongs to another one
 */
static char *path_of(char *file, char *suffix, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s%s", file, suffix);
	return path;
}

/* --- times --- */

/**
 * The wall clock, in milliseconds
 */
static uint64_t wall_clock()
{
	timespec_t ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/**
 * A deadline in time of the wall clock
 */
static sqlite3_int64 to_wall(uint64_t deadline)
{
	uint64_t now = groupvpn_now();

	if (deadline == GROUPVPN_NEVER)
	{
		return INT64_MAX;
	}
	return wall_clock() + (deadline > now ? deadline - now : 0);
}

/**
 * A time of the wall clock as a deadline that is at most limit away
 */
static uint64_t from_wall(sqlite3_int64 time, uint64_t limit)
{
	sqlite3_int64 wall = wall_clock();

	if (time == INT64_MAX)
	{
		return GROUPVPN_NEVER;
	}
	return groupvpn_now() + (time > wall ? min(time - wall, limit) : 0);
}

/**
 * A time that has passed in time of the wall clock
 */
static sqlite3_int64 to_past_wall(uint64_t since)
{
	return wall_clock() - (groupvpn_now() - since);
}

/**
 * A time of the wall clock that has passed, groupvpn_now() based. That may be
 * from before this host was booted, the difference to now is right nevertheless
 */
static uint64_t past_from_wall(sqlite3_int64 time)
{
	sqlite3_int64 wall = wall_clock();

	return groupvpn_now() - (time < wall ? wall - time : 0);
}

/* --- secrets --- */

/**
 * Derive the key that the secret in a row of numbers is wrapped under
 */
static bool derive_key(private_groupvpn_store_t *this, char *table,
					   const int64_t *numbers, u_int count,
					   uint8_t key[KEY_LEN])
{
	uint8_t info[TABLE_MAX + NUMBERS_MAX * 8], *pos = info;
	u_int i;

	memset(info, 0, TABLE_MAX);
	memcpy(info, table, strlen(table));
	pos += TABLE_MAX;
	for (i = 0; i < count; i++)
	{
		htoun64(pos, numbers[i]);
		pos += 8;
	}
	return gv_hkdf_expand(this->prk, info, pos - info, key, KEY_LEN);
}

/**
 * Bind a secret to the first parameter of a statement and the numbers of its
 * row to those that follow
 */
static bool bind_secret(private_groupvpn_store_t *this, sqlite3_stmt *stmt,
						char *table, const int64_t *numbers, u_int count,
						chunk_t secret)
{
	uint8_t key[KEY_LEN], wrapped[GV_WRAPPED_LEN(SECRET_MAX)];
	size_t len = sizeof(wrapped);
	bool ok;
	u_int i;

	ok = derive_key(this, table, numbers, count, key) &&
		 gv_key_wrap(key, sizeof(key), secret.ptr, secret.len, wrapped, &len);
	gv_wipe(key, sizeof(key));
	sqlite3_bind_blob(stmt, 1, wrapped, len, SQLITE_TRANSIENT);
	for (i = 0; i < count; i++)
	{
		sqlite3_bind_int64(stmt, 2 + i, numbers[i]);
	}
	return ok;
}

/**
 * Get a secret from the first column of a row and the numbers from those that
 * follow; FALSE if they do not belong together
 */
static bool get_secret(private_groupvpn_store_t *this, sqlite3_stmt *stmt,
					   char *table, int64_t *numbers, u_int count,
					   chunk_t secret)
{
	uint8_t key[KEY_LEN];
	size_t len = secret.len;
	bool ok;
	u_int i;

	for (i = 0; i < count; i++)
	{
		numbers[i] = sqlite3_column_int64(stmt, 1 + i);
	}
	if (sqlite3_column_bytes(stmt, 0) != GV_WRAPPED_LEN(secret.len))
	{
		return FALSE;
	}
	ok = derive_key(this, table, numbers, count, key) &&
		 gv_key_unwrap(key, sizeof(key), sqlite3_column_blob(stmt, 0),
					   sqlite3_column_bytes(stmt, 0), secret.ptr, &len) &&
		 len == secret.len;
	gv_wipe(key, sizeof(key));
	return ok;
}

/* --- files --- */

/**
 * Whether a file, or the directory it is in, is ours and nobody else can get at
 * what must not be theirs
 *
 * @param type			S_IFREG or S_IFDIR
 * @param forbidden		permissions that it must not have
 */
static bool check_file(private_groupvpn_store_t *this, char *path,
					   struct stat *st, mode_t type, mode_t forbidden)
{
	if ((st->st_mode & S_IFMT) != type)
	{
		return refuse(this, "'%s' is no %s", path,
					  type == S_IFDIR ? "directory" : "regular file");
	}
	if (st->st_uid != geteuid())
	{
		return refuse(this, "'%s' belongs to user %u, not to charon's (%u); if "
					  "nobody has meddled with it, chown it", path,
					  st->st_uid, geteuid());
	}
	if (st->st_mode & forbidden)
	{
		return refuse(this, "'%s' has mode %04o and must be closed to others; "
					  "if nobody has meddled with it, chmod it to %s", path,
					  st->st_mode & 07777, type == S_IFDIR ? "0700" : "0600");
	}
	return TRUE;
}

/**
 * Check the directory of a file, and make it if it does not exist
 */
static bool check_directory(private_groupvpn_store_t *this, char *file)
{
	char *dir = path_dirname(file);
	struct stat st;
	bool ok;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
	{
		ok = refuse(this, "directory '%s' can not be made: %s", dir,
					strerror(errno));
	}
	else if (stat(dir, &st) != 0)
	{
		ok = refuse(this, "directory '%s' can not be read: %s", dir,
					strerror(errno));
	}
	else
	{	/* who can write it can put other files in place */
		ok = check_file(this, dir, &st, S_IFDIR, S_IWGRP | S_IWOTH);
	}
	free(dir);
	return ok;
}

/**
 * Make a new file under a provisional name
 *
 * @return				descriptor, -1 on error, which is logged
 */
static int create_file(private_groupvpn_store_t *this, char *file,
					   char path[PATH_MAX])
{
	int fd;

	unlink(path_of(file, ".new", path));
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
	{
		refuse(this, "'%s' can not be created: %s", path, strerror(errno));
	}
	return fd;
}

/**
 * Give a new file that is complete its name, which nothing may have yet
 */
static bool publish_file(private_groupvpn_store_t *this, char *file,
						 char path[PATH_MAX])
{
	char *dir = path_dirname(file);
	int fd = -1;
	bool ok;

	ok = link(path, file) == 0 &&
		 (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0 &&
		 fsync(fd) == 0;
	if (!ok)
	{
		refuse(this, "'%s' can not be created: %s", file, strerror(errno));
	}
	unlink(path);
	if (fd >= 0)
	{
		close(fd);
	}
	free(dir);
	return ok;
}

/**
 * Create the key file
 */
static bool create_key(private_groupvpn_store_t *this)
{
	char path[PATH_MAX];
	uint8_t key[KEY_LEN];
	bool ok;
	int fd;

	fd = create_file(this, this->key_file, path);
	if (fd < 0)
	{
		return FALSE;
	}
	ok = gv_random(key, sizeof(key)) &&
		 write(fd, key, sizeof(key)) == sizeof(key) && fsync(fd) == 0;
	gv_wipe(key, sizeof(key));
	close(fd);
	if (!ok)
	{
		unlink(path);
		return refuse(this, "'%s' can not be written: %s", path,
					  strerror(errno));
	}
	if (!publish_file(this, this->key_file, path))
	{
		return FALSE;
	}
	DBG1(DBG_CFG, "groupvpn: created '%s', keep a copy of it", this->key_file);
	return TRUE;
}

/**
 * Check and read the key file, and create it if there is no store either
 */
static bool read_key(private_groupvpn_store_t *this, bool exists,
					 uint8_t key[KEY_LEN])
{
	uint8_t buf[KEY_LEN + 1];
	struct stat st;
	int fd, len;

	if (access(this->key_file, F_OK) != 0 && errno == ENOENT)
	{
		if (exists)
		{
			return refuse(this, "its key '%s' is missing; bring it back from a "
						  "copy, nothing can replace it", this->key_file);
		}
		if (!create_key(this))
		{
			return FALSE;
		}
	}
	fd = open(this->key_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
	{
		return refuse(this, "its key '%s' can not be opened: %s",
					  this->key_file, strerror(errno));
	}
	if (fstat(fd, &st) != 0 ||
		!check_file(this, this->key_file, &st, S_IFREG, 077))
	{
		close(fd);
		return FALSE;
	}
	len = read(fd, buf, sizeof(buf));
	close(fd);
	if (len == KEY_LEN)
	{
		memcpy(key, buf, KEY_LEN);
	}
	gv_wipe(buf, sizeof(buf));
	return len == KEY_LEN ||
		   refuse(this, "its key '%s' is damaged: it has not %d octets; bring "
				  "it back from a copy", this->key_file, KEY_LEN);
}

/**
 * Whether we can use a database of some version
 */
static bool check_version(private_groupvpn_store_t *this, int version)
{
	return (version >= 1 && version <= SCHEMA_VERSION) ||
		   refuse(this, "it is of version %d, and this plugin knows versions "
				  "up to %d; install the plugin that goes with it", version,
				  SCHEMA_VERSION);
}

/**
 * Open, check and lock the file of the database before SQLite reads it
 */
static bool check_database(private_groupvpn_store_t *this)
{
	uint8_t header[HEADER_LEN];
	struct stat st;

	this->fd = open(this->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (this->fd < 0)
	{
		return refuse(this, "it can not be opened: %s", strerror(errno));
	}
	if (fstat(this->fd, &st) != 0 ||
		!check_file(this, this->file, &st, S_IFREG, 077))
	{
		return FALSE;
	}
	if (flock(this->fd, LOCK_EX | LOCK_NB) != 0)
	{
		return refuse(this, "another process uses it");
	}
	if (read(this->fd, header, sizeof(header)) != sizeof(header) ||
		memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0 ||
		untoh32(header + HEADER_APPLICATION) != APPLICATION_ID)
	{
		return refuse(this, "it is not a database of this plugin, or is "
					  "damaged; move it away, and bring back the right one "
					  "from a backup or have a new one made");
	}
	return check_version(this, untoh32(header + HEADER_VERSION));
}

/* --- opening --- */

/**
 * Prepare a statement, NULL on error
 */
static sqlite3_stmt *prepare(private_groupvpn_store_t *this, char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(this->db, sql, -1, &stmt, NULL) != SQLITE_OK)
	{
		DBG2(DBG_CFG, "groupvpn: '%s': %s", sql, sqlite3_errmsg(this->db));
	}
	return stmt;
}

/**
 * Execute statements without parameters and results
 */
static bool execute(private_groupvpn_store_t *this, const char *sql)
{
	return sqlite3_exec(this->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/**
 * Open the database in a file
 */
static bool open_file(private_groupvpn_store_t *this, char *path)
{
	return sqlite3_open_v2(path, &this->db,
						   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
						   NULL) == SQLITE_OK &&
		   sqlite3_busy_timeout(this->db, BUSY_TIME) == SQLITE_OK &&
		   sqlite3_db_config(this->db, SQLITE_DBCONFIG_DEFENSIVE, 1,
							 NULL) == SQLITE_OK;
}

/**
 * Close the database
 */
static void close_all(private_groupvpn_store_t *this)
{
	u_int i;

	for (i = 0; i < STATEMENTS_MAX; i++)
	{
		sqlite3_finalize(this->statements[i].stmt);
		this->statements[i].sql = NULL;
		this->statements[i].stmt = NULL;
	}
	sqlite3_close(this->db);
	this->db = NULL;
	if (this->log >= 0)
	{
		close(this->log);
	}
	this->log = -1;
	if (this->fd >= 0)
	{
		close(this->fd);
	}
	this->fd = -1;
	gv_wipe(this->prk, sizeof(this->prk));
}

/**
 * Derive all that comes from key and ID of the store
 */
static bool derive(private_groupvpn_store_t *this, uint8_t key[KEY_LEN],
				   const void *id, uint8_t check[KEY_CHECK_LEN])
{
	static const char label[] = "groupvpn store 1";
	uint8_t salt[sizeof(label) - 1 + STORE_ID_LEN];

	memcpy(salt, label, sizeof(label) - 1);
	memcpy(salt + sizeof(label) - 1, id, STORE_ID_LEN);
	return gv_hkdf_extract(salt, sizeof(salt), key, KEY_LEN, this->prk) &&
		   gv_hkdf_expand(this->prk, "check", 5, check, KEY_CHECK_LEN);
}

/**
 * Take a database from one version to ours, in a change that goes on
 */
static bool upgrade(private_groupvpn_store_t *this, int version)
{
	char pragma[64];

	for (; version < SCHEMA_VERSION; version++)
	{
		if (!execute(this, schemas[version]))
		{
			return FALSE;
		}
	}
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d",
			 SCHEMA_VERSION);
	return execute(this, pragma);
}

/**
 * Fill a new database
 */
static bool fill_database(private_groupvpn_store_t *this, uint8_t key[KEY_LEN])
{
	uint8_t id[STORE_ID_LEN], check[KEY_CHECK_LEN];
	char pragmas[128];
	sqlite3_stmt *stmt;
	bool ok;

	snprintf(pragmas, sizeof(pragmas), "PRAGMA journal_mode = MEMORY;"
			 "PRAGMA application_id = %d; BEGIN", APPLICATION_ID);
	if (!gv_random(id, sizeof(id)) || !derive(this, key, id, check) ||
		!execute(this, pragmas) || !upgrade(this, 0))
	{
		return FALSE;
	}
	stmt = prepare(this, "INSERT INTO store VALUES (?, ?)");
	sqlite3_bind_blob(stmt, 1, id, sizeof(id), SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, check, sizeof(check), SQLITE_STATIC);
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	sqlite3_finalize(stmt);
	return ok && execute(this, "COMMIT; PRAGMA journal_mode = WAL");
}

/**
 * Create the database
 */
static bool create_database(private_groupvpn_store_t *this,
							uint8_t key[KEY_LEN])
{
	char path[PATH_MAX], log[PATH_MAX];
	bool ok;
	int fd;

	/* SQLite would take it for the new one's */
	if (access(path_of(this->file, "-wal", log), F_OK) == 0)
	{
		return refuse(this, "it is missing, but its log '%s' is there; bring "
					  "it back, or move the log away, too", log);
	}
	fd = create_file(this, this->file, path);
	if (fd < 0)
	{
		return FALSE;
	}
	close(fd);
	ok = open_file(this, path) && fill_database(this, key);
	if (!ok)
	{
		refuse(this, "'%s' can not be created: %s", path,
			   sqlite3_errmsg(this->db));
	}
	sqlite3_close(this->db);
	this->db = NULL;
	if (!ok)
	{
		unlink(path);
		return FALSE;
	}
	if (!publish_file(this, this->file, path))
	{
		return FALSE;
	}
	DBG1(DBG_CFG, "groupvpn: created store '%s'", this->file);
	return TRUE;
}

/**
 * Have SQLite check the database
 */
static bool check_integrity(private_groupvpn_store_t *this)
{
	sqlite3_stmt *stmt;
	const char *text;
	bool ok = FALSE;

	stmt = prepare(this, "PRAGMA quick_check(1)");
	text = sqlite3_step(stmt) == SQLITE_ROW
		   ? (const char*)sqlite3_column_text(stmt, 0) : NULL;
	if (text)
	{
		ok = streq(text, "ok");
	}
	if (!ok)
	{
		refuse(this, "it is damaged (%s); move it away with its -wal and -shm "
			   "files and bring it back from a backup",
			   text ?: sqlite3_errmsg(this->db));
	}
	sqlite3_finalize(stmt);
	return ok;
}

/**
 * Derive the keys, and see whether the key is that of this store
 */
static bool check_key(private_groupvpn_store_t *this, uint8_t key[KEY_LEN])
{
	uint8_t check[KEY_CHECK_LEN];
	sqlite3_stmt *stmt;
	bool ok;

	stmt = prepare(this, "SELECT id, key_check FROM store");
	if (sqlite3_step(stmt) != SQLITE_ROW)
	{
		refuse(this, "it is damaged (%s); bring it back from a backup",
			   sqlite3_errmsg(this->db));
		sqlite3_finalize(stmt);
		return FALSE;
	}
	ok = sqlite3_column_bytes(stmt, 0) == STORE_ID_LEN &&
		 sqlite3_column_bytes(stmt, 1) == sizeof(check) &&
		 derive(this, key, sqlite3_column_blob(stmt, 0), check) &&
		 gv_equal(check, sqlite3_column_blob(stmt, 1), sizeof(check));
	if (!ok)
	{
		refuse(this, "'%s' is the key of another store; bring back the key "
			   "that this one was made with", this->key_file);
	}
	sqlite3_finalize(stmt);
	return ok;
}

/**
 * Version of the database that is open; that in the header of its file may be
 * older than what is in the log. 0 if it can not be read.
 */
static int get_version(private_groupvpn_store_t *this)
{
	sqlite3_stmt *stmt;
	int version = 0;

	stmt = prepare(this, "PRAGMA user_version");
	if (sqlite3_step(stmt) == SQLITE_ROW)
	{
		version = sqlite3_column_int(stmt, 0);
	}
	sqlite3_finalize(stmt);
	return version;
}

/**
 * Upgrade a database of an earlier version: all or nothing
 */
static bool upgrade_database(private_groupvpn_store_t *this)
{
	int version = get_version(this);
	bool ok;

	if (version == SCHEMA_VERSION)
	{
		return TRUE;
	}
	ok = execute(this, "BEGIN IMMEDIATE") &&
		 upgrade(this, version) && execute(this, "COMMIT");
	if (!ok)
	{
		refuse(this, "it can not be upgraded from version %d to %d: %s",
			   version, SCHEMA_VERSION, sqlite3_errmsg(this->db));
		execute(this, "ROLLBACK");
		return FALSE;
	}
	DBG1(DBG_CFG, "groupvpn: store '%s' upgraded from version %d to %d",
		 this->file, version, SCHEMA_VERSION);
	return TRUE;
}

/**
 * Open the log, which is there as long as the database is open
 */
static bool open_log(private_groupvpn_store_t *this)
{
	char path[PATH_MAX];

	this->log = open(path_of(this->file, "-wal", path),
					 O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return this->log >= 0 ||
		   refuse(this, "its log '%s' can not be opened: %s", path,
				  strerror(errno));
}

/**
 * Open the database, which exists
 */
static bool open_database(private_groupvpn_store_t *this, uint8_t key[KEY_LEN])
{
	if (!check_database(this))
	{
		return FALSE;
	}
	/* closing must not write to what is refused */
	if (!open_file(this, this->file) ||
		sqlite3_db_config(this->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
						  NULL) != SQLITE_OK)
	{
		return refuse(this, "it can not be opened: %s",
					  sqlite3_errmsg(this->db));
	}
	if (sqlite3_db_readonly(this->db, "main"))
	{
		return refuse(this, "it can not be written, is the file system mounted "
					  "read-only?");
	}
	if (!check_integrity(this) || !check_version(this, get_version(this)) ||
		!check_key(this, key))
	{
		return FALSE;
	}
	if (sqlite3_db_config(this->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0,
						  NULL) != SQLITE_OK ||
		!execute(this, "PRAGMA secure_delete = ON;"
				 "PRAGMA synchronous = FULL"))
	{
		return refuse(this, "it can not be set up: %s",
					  sqlite3_errmsg(this->db));
	}
	this->durable = TRUE;
	return upgrade_database(this) && open_log(this);
}

/**
 * Remove the epochs that have ended
 */
static void remove_expired(private_groupvpn_store_t *this)
{
	sqlite3_stmt *stmt;

	stmt = prepare(this, "DELETE FROM epochs WHERE min(expires, retires) <= ?");
	sqlite3_bind_int64(stmt, 1, wall_clock());
	sqlite3_step(stmt);
	sqlite3_finalize(stmt);
}

/**
 * Close a database that is refused, and remove the empty log that SQLite has
 * made for it, while nobody else can use it
 */
static void close_refused(private_groupvpn_store_t *this)
{
	char path[PATH_MAX];
	struct stat st;

	if (!this->db)
	{
		return;
	}
	sqlite3_close(this->db);
	this->db = NULL;
	if (stat(path_of(this->file, "-wal", path), &st) == 0 && st.st_size == 0)
	{
		unlink(path);
		unlink(path_of(this->file, "-shm", path));
	}
}

METHOD(groupvpn_store_t, open_, bool,
	private_groupvpn_store_t *this)
{
	uint8_t key[KEY_LEN];
	struct stat st;
	bool exists, ok;

	if (this->db)
	{
		return TRUE;
	}
	if (!check_directory(this, this->file) ||
		!check_directory(this, this->key_file))
	{
		return FALSE;
	}
	exists = lstat(this->file, &st) == 0;
	ok = read_key(this, exists, key) &&
		 (exists || create_database(this, key)) &&
		 open_database(this, key);
	gv_wipe(key, sizeof(key));
	if (!ok)
	{
		close_refused(this);
		close_all(this);
		return FALSE;
	}
	remove_expired(this);
	return TRUE;
}

/* --- reading --- */

/**
 * Log that a group can not be read
 */
static status_t fail_load(private_groupvpn_store_t *this, uint32_t id,
						  const char *why)
{
	DBG1(DBG_CFG, "groupvpn: store '%s': group-ID %u can not be read: %s; "
		 "bring the store back from a backup", this->file, id, why);
	return FAILED;
}

/**
 * End a statement that read rows of a group
 *
 * @param row			what its last step returned
 */
static status_t end_rows(private_groupvpn_store_t *this, uint32_t id,
						 sqlite3_stmt *stmt, int row)
{
	sqlite3_finalize(stmt);
	return row == SQLITE_DONE ? SUCCESS
							  : fail_load(this, id, sqlite3_errmsg(this->db));
}

/**
 * Read the state of a group
 */
static status_t load_group(private_groupvpn_store_t *this, uint32_t id,
						   groupvpn_store_group_t *group)
{
	status_t status = SUCCESS;
	sqlite3_stmt *stmt;
	int64_t numbers[5];

	stmt = prepare(this, "SELECT route_secret, id, route_epoch, first_epoch, "
				   "sender_id, roll, name, admission FROM groups "
				   "WHERE id = ?");
	sqlite3_bind_int64(stmt, 1, id);
	switch (sqlite3_step(stmt))
	{
		case SQLITE_ROW:
			if (!get_secret(this, stmt, "groups", numbers, countof(numbers),
							chunk_from_thing(group->route_secret)))
			{
				status = fail_load(this, id, "its state is damaged");
				break;
			}
			group->id = numbers[0];
			group->route_epoch = numbers[1];
			group->first_epoch = numbers[2];
			group->sender_id = numbers[3];
			group->roll = from_wall(numbers[4], INT64_MAX);
			snprintf(group->name, sizeof(group->name), "%s",
					 sqlite3_column_text(stmt, 6));
			group->admission = sqlite3_column_int64(stmt, 7);
			break;
		case SQLITE_DONE:
			status = NOT_FOUND;
			break;
		default:
			status = fail_load(this, id, sqlite3_errmsg(this->db));
			break;
	}
	sqlite3_finalize(stmt);
	return status;
}

/**
 * Read the epochs of a group
 */
static status_t load_epochs(private_groupvpn_store_t *this, uint32_t id,
							groupvpn_sa_table_t *sas)
{
	uint8_t secret[EPOCH_SECRET_LEN];
	status_t status = SUCCESS;
	struct gv_epoch_sa epoch;
	sqlite3_stmt *stmt;
	groupvpn_sa_t *sa;
	int64_t numbers[10];
	int row;

	stmt = prepare(this, "SELECT secret, group_id, epoch, tag, lifetime, encr, "
				   "key_bits, integ, esn, expires, retires FROM epochs "
				   "WHERE group_id = ? AND min(expires, retires) > ? "
				   "ORDER BY epoch");
	sqlite3_bind_int64(stmt, 1, id);
	sqlite3_bind_int64(stmt, 2, wall_clock());
	while ((row = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		if (!get_secret(this, stmt, "epochs", numbers, countof(numbers),
						chunk_from_thing(secret)))
		{
			status = fail_load(this, id, "its keys are damaged");
			break;
		}
		epoch = (struct gv_epoch_sa){
			.epoch = numbers[1],
			.tag = numbers[2],
			.lifetime = numbers[3],
			.esp = {
				.encr = numbers[4],
				.key_bits = numbers[5],
				.integ = numbers[6],
				.esn = numbers[7],
			},
		};
		memcpy(epoch.gsk, secret, GV_SECRET_LEN);
		memcpy(epoch.esp_key, secret + GV_SECRET_LEN, GV_ESP_KEY_MAX);
		sa = sas->add(sas, &epoch, groupvpn_now());
		gv_wipe(&epoch, sizeof(epoch));
		sa->expires = from_wall(numbers[8], sa->sa.lifetime * 1000ULL);
		sa->retires = from_wall(numbers[9], sa->sa.lifetime * 1000ULL);
	}
	if (status == SUCCESS && row != SQLITE_DONE)
	{
		status = fail_load(this, id, sqlite3_errmsg(this->db));
	}
	gv_wipe(secret, sizeof(secret));
	sqlite3_finalize(stmt);
	return status;
}

/**
 * The identity in two columns of a row, type and encoding
 */
static identification_t *get_identity(sqlite3_stmt *stmt, int column)
{
	return identification_create_from_encoding(
					sqlite3_column_int(stmt, column),
					chunk_create((u_char*)sqlite3_column_blob(stmt, column + 1),
								 sqlite3_column_bytes(stmt, column + 1)));
}

/**
 * The certificates of a member in a column of a row
 */
static auth_cfg_t *get_certificates(sqlite3_stmt *stmt, int column,
									identification_t *identity)
{
	chunk_t data = chunk_create((u_char*)sqlite3_column_blob(stmt, column),
								sqlite3_column_bytes(stmt, column));
	auth_cfg_t *auth = groupvpn_certificates_decode(data);

	if (data.len && !auth)
	{
		DBG1(DBG_CFG, "groupvpn: the certificate that the store has of '%Y' "
			 "can not be read, it is checked when the member is back",
			 identity);
	}
	return auth;
}

/**
 * Read the members of a group
 */
static status_t load_members(private_groupvpn_store_t *this, uint32_t id,
							 groupvpn_registrations_t *registrations)
{
	identification_t *identity;
	sqlite3_stmt *stmt;
	int row;

	stmt = prepare(this, "SELECT member_id, sender_id, identity_type, "
				   "identity, class, certificates FROM members "
				   "WHERE group_id = ?");
	sqlite3_bind_int64(stmt, 1, id);
	while ((row = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		identity = get_identity(stmt, 2);
		registrations->restore(registrations, identity,
							   sqlite3_column_int(stmt, 0),
							   sqlite3_column_int(stmt, 1),
							   sqlite3_column_int(stmt, 4),
							   get_certificates(stmt, 5, identity));
		identity->destroy(identity);
	}
	return end_rows(this, id, stmt, row);
}

/**
 * Read who was evicted from a group
 */
static status_t load_evictions(private_groupvpn_store_t *this, uint32_t id,
							   groupvpn_evictions_t *evictions)
{
	identification_t *identity;
	sqlite3_stmt *stmt;
	int row;

	stmt = prepare(this, "SELECT identity_type, identity, why, since "
				   "FROM evictions WHERE group_id = ? ORDER BY since");
	sqlite3_bind_int64(stmt, 1, id);
	while ((row = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		identity = get_identity(stmt, 0);
		if (evictions->add(evictions, identity,
						   (char*)sqlite3_column_text(stmt, 2)))
		{
			evictions->find(evictions, identity)->since =
						past_from_wall(sqlite3_column_int64(stmt, 3));
		}
		identity->destroy(identity);
	}
	return end_rows(this, id, stmt, row);
}

METHOD(groupvpn_store_t, load, status_t,
	private_groupvpn_store_t *this, uint32_t id, groupvpn_store_group_t *group,
	groupvpn_sa_table_t *sas, groupvpn_registrations_t *registrations,
	groupvpn_evictions_t *evictions)
{
	status_t status;

	status = load_group(this, id, group);
	if (status == SUCCESS)
	{
		status = load_epochs(this, id, sas);
	}
	if (status == SUCCESS)
	{
		registrations->skip(registrations, group->sender_id);
		status = load_members(this, id, registrations);
	}
	if (status == SUCCESS)
	{
		status = load_evictions(this, id, evictions);
	}
	return status;
}

/**
 * Read the state of a group's Rekey SA
 *
 * @param tree			receives depth and next key ID
 */
static status_t get_kek(private_groupvpn_store_t *this, uint32_t id,
						groupvpn_store_kek_t *kek, struct gv_lkh *tree)
{
	uint8_t secret[KEK_SECRET_LEN], *pos = secret;
	int64_t numbers[7];
	sqlite3_stmt *stmt;
	status_t status = SUCCESS;

	stmt = prepare(this, "SELECT secret, group_id, message_id, lifetime, "
				   "expires, stale, depth, next_key_id FROM rekey_sas "
				   "WHERE group_id = ?");
	sqlite3_bind_int64(stmt, 1, id);
	switch (sqlite3_step(stmt))
	{
		case SQLITE_ROW:
			if (!get_secret(this, stmt, "rekeysas", numbers, countof(numbers),
							chunk_from_thing(secret)))
			{
				status = fail_load(this, id, "its Rekey SA is damaged");
				break;
			}
			*kek = (groupvpn_store_kek_t){
				.kek = {
					.message_id = numbers[1],
					.lifetime = numbers[2],
					.next_spis = 1,
				},
				.expires = from_wall(numbers[3], numbers[2] * 1000ULL),
				.stale = numbers[4],
			};
			tree->depth = numbers[5];
			tree->next_key_id = numbers[6];
			memcpy(kek->kek.spi, pos, GV_REKEY_SPI_LEN);
			pos += GV_REKEY_SPI_LEN;
			memcpy(kek->kek.next_spi[0], pos, GV_REKEY_SPI_LEN);
			pos += GV_REKEY_SPI_LEN;
			memcpy(kek->kek.keymat, pos, GV_KEK_LEN);
			pos += GV_KEK_LEN;
			memcpy(kek->kek.auth_key, pos, GV_SIGN_KEY_LEN);
			pos += GV_SIGN_KEY_LEN;
			memcpy(kek->sign_key, pos, GV_SIGN_KEY_LEN);
			break;
		case SQLITE_DONE:
			status = NOT_FOUND;
			break;
		default:
			status = fail_load(this, id, sqlite3_errmsg(this->db));
			break;
	}
	gv_wipe(secret, sizeof(secret));
	sqlite3_finalize(stmt);
	return status;
}

/**
 * Read one row of the key tree as a node of gv_lkh_decode()
 */
static bool get_node(private_groupvpn_store_t *this, sqlite3_stmt *stmt,
					 u_int depth, uint8_t node[GV_LKH_NODE_LEN])
{
	int64_t numbers[4], height;

	if (!get_secret(this, stmt, "treekeys", numbers, countof(numbers),
					chunk_create(node + GV_LKH_NODE_LEN - GV_KWK_LEN,
								 GV_KWK_LEN)))
	{
		return FALSE;
	}
	height = PLACE_HEIGHT(numbers[1]);
	if (height >= depth)
	{
		return FALSE;
	}
	htoun32(node, (1 << (depth - height)) + PLACE_NUMBER(numbers[1]));
	htoun16(node + 4, numbers[2]);
	htoun32(node + 6, numbers[3]);
	return TRUE;
}

/**
 * Read the key tree of a group in the form of gv_lkh_decode()
 *
 * @param tree			its depth and next key ID
 */
static status_t get_tree(private_groupvpn_store_t *this, uint32_t id,
						 const struct gv_lkh *tree, chunk_t *buf)
{
	sqlite3_stmt *stmt;
	status_t status = SUCCESS;
	size_t size = GV_LKH_STORE_MAX((size_t)2 << tree->depth);
	int row;

	*buf = chunk_alloc(size);
	buf->ptr[0] = GV_LKH_STORE_VERSION;
	buf->ptr[1] = tree->depth;
	htoun32(buf->ptr + 2, tree->next_key_id);
	buf->len = GV_LKH_STORE_MAX(0);
	/* from the root down, and from the left */
	stmt = prepare(this, "SELECT secret, group_id, place, member_id, key_id "
				   "FROM tree_keys WHERE group_id = ? "
				   "ORDER BY place >> 16 DESC, place & 0xffff");
	sqlite3_bind_int64(stmt, 1, id);
	while ((row = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		if (buf->len + GV_LKH_NODE_LEN > size ||
			!get_node(this, stmt, tree->depth, buf->ptr + buf->len))
		{
			status = fail_load(this, id, "its key tree is damaged");
			break;
		}
		buf->len += GV_LKH_NODE_LEN;
	}
	if (status == SUCCESS && row != SQLITE_DONE)
	{
		status = fail_load(this, id, sqlite3_errmsg(this->db));
	}
	sqlite3_finalize(stmt);
	return status;
}

/**
 * Read the key tree of a group
 *
 * @param tree			has its depth and next key ID, receives all of it
 */
static status_t load_tree(private_groupvpn_store_t *this, uint32_t id,
						  struct gv_lkh *tree)
{
	size_t size = (size_t)2 << tree->depth;
	struct gv_lkh_node *nodes;
	chunk_t buf = chunk_empty;
	enum gv_lkh_error error;
	status_t status;

	status = get_tree(this, id, tree, &buf);
	if (status == SUCCESS)
	{
		nodes = malloc(size * sizeof(*nodes));
		gv_secret_hide(nodes, size * sizeof(*nodes));
		error = gv_lkh_decode(buf.ptr, buf.len, tree, nodes, size, NULL);
		if (error)
		{
			status = fail_load(this, id, gv_lkh_error_text(error));
			gv_lkh_wipe(tree);
			free(nodes);
		}
	}
	chunk_clear(&buf);
	return status;
}

/**
 * Read the messages of a group
 */
static status_t load_messages(private_groupvpn_store_t *this, uint32_t id,
							  linked_list_t *messages)
{
	groupvpn_store_message_t *message;
	sqlite3_stmt *stmt;
	int row;

	stmt = prepare(this, "SELECT brings_kek, since, message FROM rekey_messages "
				   "WHERE group_id = ? ORDER BY position");
	sqlite3_bind_int64(stmt, 1, id);
	while ((row = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		INIT(message,
			.brings_kek = sqlite3_column_int(stmt, 0),
			.since = past_from_wall(sqlite3_column_int64(stmt, 1)),
			.len = sqlite3_column_bytes(stmt, 2),
		);
		message->len = min(message->len, sizeof(message->octets));
		memcpy(message->octets, sqlite3_column_blob(stmt, 2), message->len);
		messages->insert_last(messages, message);
	}
	return end_rows(this, id, stmt, row);
}

METHOD(groupvpn_store_t, load_kek, status_t,
	private_groupvpn_store_t *this, uint32_t id, groupvpn_store_kek_t *kek,
	struct gv_lkh *tree, linked_list_t *messages)
{
	status_t status;

	status = get_kek(this, id, kek, tree);
	if (status == SUCCESS)
	{
		status = load_messages(this, id, messages);
	}
	if (status == SUCCESS)
	{
		status = load_tree(this, id, tree);
	}
	return status;
}

METHOD(groupvpn_store_t, has_tag, bool,
	private_groupvpn_store_t *this, uint8_t tag)
{
	sqlite3_stmt *stmt;
	bool found;

	stmt = prepare(this, "SELECT 1 FROM epochs WHERE tag = ? AND "
				   "min(expires, retires) > ?");
	sqlite3_bind_int(stmt, 1, tag);
	sqlite3_bind_int64(stmt, 2, wall_clock());
	found = sqlite3_step(stmt) == SQLITE_ROW;
	sqlite3_finalize(stmt);
	return found;
}

/* --- writing --- */

/**
 * Note the error of a step of the change that goes on
 */
static void note_error(private_groupvpn_store_t *this, int error)
{
	if (this->error == SQLITE_OK)
	{
		this->error = error;
	}
}

/**
 * Prepare a statement of the change that goes on
 */
static sqlite3_stmt *prepare_write(private_groupvpn_store_t *this, char *sql)
{
	u_int i;

	for (i = 0; i < STATEMENTS_MAX; i++)
	{
		if (!this->statements[i].stmt)
		{
			this->statements[i].sql = sql;
			this->statements[i].stmt = prepare(this, sql);
			break;
		}
		if (streq(this->statements[i].sql, sql))
		{
			break;
		}
	}
	if (i == STATEMENTS_MAX)
	{
		DBG1(DBG_CFG, "groupvpn: store '%s' has no room for one more "
			 "statement: %s", this->file, sql);
	}
	if (i == STATEMENTS_MAX || !this->statements[i].stmt)
	{
		note_error(this, SQLITE_ERROR);
		return NULL;
	}
	return this->statements[i].stmt;
}

/**
 * Execute a prepared statement of the change that goes on
 */
static void write_row(private_groupvpn_store_t *this, sqlite3_stmt *stmt)
{
	if (this->error == SQLITE_OK && sqlite3_step(stmt) != SQLITE_DONE)
	{
		note_error(this, sqlite3_errcode(this->db));
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

/**
 * Remove what a statement removes of a group
 */
static void remove_rows(private_groupvpn_store_t *this, char *sql, uint32_t id)
{
	sqlite3_stmt *stmt = prepare_write(this, sql);

	sqlite3_bind_int64(stmt, 1, id);
	write_row(this, stmt);
}

/**
 * Bind an identity to two parameters of a statement, type and encoding
 */
static void bind_identity(sqlite3_stmt *stmt, int parameter,
						  identification_t *identity)
{
	chunk_t encoding = identity->get_encoding(identity);

	sqlite3_bind_int(stmt, parameter, identity->get_type(identity));
	/* an identity without octets is not NULL */
	sqlite3_bind_blob(stmt, parameter + 1, encoding.ptr ?: (void*)"",
					  encoding.len, SQLITE_STATIC);
}

METHOD(groupvpn_store_t, begin, void,
	private_groupvpn_store_t *this, bool durable)
{
	this->error = SQLITE_OK;
	if (durable != this->durable)
	{
		if (!execute(this, durable ? "PRAGMA synchronous = FULL"
								   : "PRAGMA synchronous = NORMAL"))
		{
			note_error(this, sqlite3_errcode(this->db));
			return;
		}
		this->durable = durable;
	}
	if (!execute(this, "BEGIN IMMEDIATE"))
	{
		note_error(this, sqlite3_errcode(this->db));
	}
}

METHOD(groupvpn_store_t, save_group, void,
	private_groupvpn_store_t *this, const groupvpn_store_group_t *group)
{
	chunk_t secret = chunk_create((u_char*)group->route_secret, GV_SECRET_LEN);
	const int64_t numbers[] = {
		group->id, group->route_epoch, group->first_epoch, group->sender_id,
		to_wall(group->roll),
	};
	sqlite3_stmt *stmt;

	stmt = prepare_write(this, "INSERT OR REPLACE INTO groups "
						 "(route_secret, id, route_epoch, first_epoch, "
						 "sender_id, roll, name, admission) "
						 "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	if (!bind_secret(this, stmt, "groups", numbers, countof(numbers), secret))
	{
		note_error(this, SQLITE_ERROR);
	}
	sqlite3_bind_text(stmt, 7, group->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 8, group->admission);
	write_row(this, stmt);
}

METHOD(groupvpn_store_t, save_epoch, void,
	private_groupvpn_store_t *this, uint32_t id, groupvpn_sa_t *sa,
	uint64_t retires)
{
	uint8_t secret[EPOCH_SECRET_LEN];
	const int64_t numbers[] = {
		id, sa->sa.epoch, sa->sa.tag, sa->sa.lifetime, sa->sa.esp.encr,
		sa->sa.esp.key_bits, sa->sa.esp.integ, sa->sa.esp.esn,
		to_wall(sa->expires), to_wall(retires),
	};
	sqlite3_stmt *stmt;

	memcpy(secret, sa->sa.gsk, GV_SECRET_LEN);
	memcpy(secret + GV_SECRET_LEN, sa->sa.esp_key, GV_ESP_KEY_MAX);
	stmt = prepare_write(this, "INSERT OR REPLACE INTO epochs "
						 "(secret, group_id, epoch, tag, lifetime, encr, "
						 "key_bits, integ, esn, expires, retires) "
						 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	if (!bind_secret(this, stmt, "epochs", numbers, countof(numbers),
					 chunk_from_thing(secret)))
	{
		note_error(this, SQLITE_ERROR);
	}
	gv_wipe(secret, sizeof(secret));
	write_row(this, stmt);
}

METHOD(groupvpn_store_t, remove_epoch, void,
	private_groupvpn_store_t *this, uint32_t id, uint32_t epoch)
{
	sqlite3_stmt *stmt;

	stmt = prepare_write(this, "DELETE FROM epochs WHERE group_id = ? AND "
						 "epoch = ?");
	sqlite3_bind_int64(stmt, 1, id);
	sqlite3_bind_int64(stmt, 2, epoch);
	write_row(this, stmt);
}

METHOD(groupvpn_store_t, save_member, void,
	private_groupvpn_store_t *this, uint32_t id,
	groupvpn_registration_t *registration)
{
	chunk_t certificates = groupvpn_certificates_encode(registration->auth);
	sqlite3_stmt *stmt;

	stmt = prepare_write(this, "INSERT INTO members "
						 "(group_id, member_id, sender_id, identity_type, "
						 "identity, class, certificates) "
						 "VALUES (?, ?, ?, ?, ?, ?, ?) "
						 "ON CONFLICT (group_id, member_id) DO UPDATE SET "
						 "sender_id = excluded.sender_id, "
						 "class = excluded.class, "
						 "certificates = excluded.certificates");
	sqlite3_bind_int64(stmt, 1, id);
	sqlite3_bind_int(stmt, 2, registration->member_id);
	sqlite3_bind_int64(stmt, 3, registration->sender_id);
	bind_identity(stmt, 4, registration->identity);
	sqlite3_bind_int(stmt, 6, registration->class);
	sqlite3_bind_blob(stmt, 7, certificates.ptr ?: (void*)"", certificates.len,
					  SQLITE_STATIC);
	write_row(this, stmt);
	chunk_free(&certificates);
}

METHOD(groupvpn_store_t, save_eviction, void,
	private_groupvpn_store_t *this, uint32_t id, identification_t *identity,
	groupvpn_eviction_t *eviction)
{
	sqlite3_stmt *stmt;

	stmt = prepare_write(this, "DELETE FROM evictions WHERE group_id = ? AND "
						 "identity_type = ? AND identity = ?");
	sqlite3_bind_int64(stmt, 1, id);
	bind_identity(stmt, 2, identity);
	write_row(this, stmt);
	if (!eviction)
	{
		return;
	}
	stmt = prepare_write(this, "INSERT INTO evictions "
						 "(group_id, identity_type, identity, why, since) "
						 "VALUES (?, ?, ?, ?, ?)");
	sqlite3_bind_int64(stmt, 1, id);
	bind_identity(stmt, 2, identity);
	sqlite3_bind_text(stmt, 4, eviction->why, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 5, to_past_wall(eviction->since));
	write_row(this, stmt);
}

METHOD(groupvpn_store_t, save_kek, void,
	private_groupvpn_store_t *this, uint32_t id,
	const groupvpn_store_kek_t *kek, const struct gv_lkh *tree)
{
	uint8_t secret[KEK_SECRET_LEN], *pos = secret;
	const int64_t numbers[] = {
		id, kek->kek.message_id, kek->kek.lifetime, to_wall(kek->expires),
		kek->stale, tree->depth, tree->next_key_id,
	};
	sqlite3_stmt *stmt;

	memcpy(pos, kek->kek.spi, GV_REKEY_SPI_LEN);
	pos += GV_REKEY_SPI_LEN;
	memcpy(pos, kek->kek.next_spi[0], GV_REKEY_SPI_LEN);
	pos += GV_REKEY_SPI_LEN;
	memcpy(pos, kek->kek.keymat, GV_KEK_LEN);
	pos += GV_KEK_LEN;
	memcpy(pos, kek->kek.auth_key, GV_SIGN_KEY_LEN);
	pos += GV_SIGN_KEY_LEN;
	memcpy(pos, kek->sign_key, GV_SIGN_KEY_LEN);
	stmt = prepare_write(this, "INSERT OR REPLACE INTO rekey_sas "
						 "(secret, group_id, message_id, lifetime, expires, "
						 "stale, depth, next_key_id) "
						 "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	if (!bind_secret(this, stmt, "rekeysas", numbers, countof(numbers),
					 chunk_from_thing(secret)))
	{
		note_error(this, SQLITE_ERROR);
	}
	gv_wipe(secret, sizeof(secret));
	write_row(this, stmt);
}

/**
 * Save the key of one node of a tree
 */
static void save_key(private_groupvpn_store_t *this, uint32_t id,
					 const struct gv_lkh_node *node, int64_t place)
{
	const int64_t numbers[] = {
		id, place, node->member_id, node->key_id,
	};
	sqlite3_stmt *stmt;

	stmt = prepare_write(this, "INSERT OR REPLACE INTO tree_keys "
						 "(secret, group_id, place, member_id, key_id) "
						 "VALUES (?, ?, ?, ?, ?)");
	if (!bind_secret(this, stmt, "treekeys", numbers, countof(numbers),
					 chunk_create((u_char*)node->key, GV_KWK_LEN)))
	{
		note_error(this, SQLITE_ERROR);
	}
	write_row(this, stmt);
}

METHOD(groupvpn_store_t, save_keys, void,
	private_groupvpn_store_t *this, uint32_t id, const struct gv_lkh *tree,
	uint32_t first)
{
	const struct gv_lkh_node *node;
	u_int level, number;

	for (level = 1; level <= tree->depth; level++)
	{
		for (number = 0; number < 1 << level; number++)
		{
			node = &tree->nodes[(1 << level) + number];
			if (node->key_id && node->key_id >= first)
			{
				save_key(this, id, node, PLACE(tree->depth - level, number));
			}
		}
	}
}

METHOD(groupvpn_store_t, remove_path, void,
	private_groupvpn_store_t *this, uint32_t id, uint32_t leaf, bool above)
{
	sqlite3_stmt *stmt;
	u_int height;

	for (height = above ? 1 : 0; height < GV_LKH_DEPTH_MAX; height++)
	{
		stmt = prepare_write(this, "DELETE FROM tree_keys WHERE group_id = ? "
							 "AND place = ?");
		sqlite3_bind_int64(stmt, 1, id);
		sqlite3_bind_int64(stmt, 2, PLACE(height, leaf >> height));
		write_row(this, stmt);
	}
}

METHOD(groupvpn_store_t, save_messages, void,
	private_groupvpn_store_t *this, uint32_t id, linked_list_t *messages)
{
	enumerator_t *enumerator;
	groupvpn_store_message_t *message;
	sqlite3_stmt *stmt;
	int position = 0;

	remove_rows(this, "DELETE FROM rekey_messages WHERE group_id = ?", id);
	enumerator = messages->create_enumerator(messages);
	while (enumerator->enumerate(enumerator, &message))
	{
		stmt = prepare_write(this, "INSERT INTO rekey_messages "
							 "(group_id, position, brings_kek, since, message) "
							 "VALUES (?, ?, ?, ?, ?)");
		sqlite3_bind_int64(stmt, 1, id);
		sqlite3_bind_int(stmt, 2, position++);
		sqlite3_bind_int(stmt, 3, message->brings_kek);
		sqlite3_bind_int64(stmt, 4, to_past_wall(message->since));
		sqlite3_bind_blob(stmt, 5, message->octets, message->len,
						  SQLITE_STATIC);
		write_row(this, stmt);
	}
	enumerator->destroy(enumerator);
}

METHOD(groupvpn_store_t, remove_keys, void,
	private_groupvpn_store_t *this, uint32_t id)
{
	remove_rows(this, "DELETE FROM tree_keys WHERE group_id = ?", id);
}

METHOD(groupvpn_store_t, remove_kek, void,
	private_groupvpn_store_t *this, uint32_t id)
{
	remove_keys(this, id);
	remove_rows(this, "DELETE FROM rekey_messages WHERE group_id = ?", id);
	remove_rows(this, "DELETE FROM rekey_sas WHERE group_id = ?", id);
}

/**
 * Whether the database still is the file of its name
 */
static bool is_in_place(private_groupvpn_store_t *this)
{
	struct stat name, file;

	return stat(this->file, &name) == 0 && fstat(this->fd, &file) == 0 &&
		   name.st_dev == file.st_dev && name.st_ino == file.st_ino;
}

METHOD(groupvpn_store_t, commit, bool,
	private_groupvpn_store_t *this)
{
	char *why = NULL;

	if (!is_in_place(this))
	{
		why = "it was removed or replaced; restart charon";
		note_error(this, SQLITE_IOERR);
	}
	else if (this->lost)
	{
		why = "the disk did not take its log; restart charon";
		note_error(this, SQLITE_IOERR);
	}
	if (this->error == SQLITE_OK && !execute(this, "COMMIT"))
	{
		note_error(this, sqlite3_errcode(this->db));
	}
	if (this->error == SQLITE_OK)
	{
		if (this->failing)
		{
			DBG1(DBG_CFG, "groupvpn: store '%s' can be written again",
				 this->file);
		}
		this->failing = FALSE;
		return TRUE;
	}
	if (!this->failing)
	{
		DBG1(DBG_CFG, "groupvpn: store '%s' can not be written: %s; until it "
			 "can be, nobody gets new keys or identifiers", this->file,
			 why ?: sqlite3_errstr(this->error));
	}
	this->failing = TRUE;
	execute(this, "ROLLBACK");
	return FALSE;
}

METHOD(groupvpn_store_t, defer, uint64_t,
	private_groupvpn_store_t *this)
{
	uint64_t ticket;

	this->mutex->lock(this->mutex);
	ticket = ++this->deferred;
	this->mutex->unlock(this->mutex);
	return ticket;
}

METHOD(groupvpn_store_t, sync_, bool,
	private_groupvpn_store_t *this, uint64_t ticket)
{
	uint64_t deferred;
	bool ok;
	int error;

	this->mutex->lock(this->mutex);
	while (this->synced < ticket && !this->lost)
	{
		if (this->syncing)
		{
			this->condvar->wait(this->condvar, this->mutex);
			continue;
		}
		/* for all that was deferred so far; others come meanwhile */
		this->syncing = TRUE;
		deferred = this->deferred;
		this->mutex->unlock(this->mutex);
		error = fdatasync(this->log) == 0 ? 0 : errno;
		if (error)
		{
			DBG1(DBG_CFG, "groupvpn: store '%s' can not be written: %s; until "
				 "charon is restarted, nobody gets new keys or identifiers",
				 this->file, strerror(error));
		}
		this->mutex->lock(this->mutex);
		this->syncing = FALSE;
		if (error)
		{
			this->lost = TRUE;
		}
		else
		{
			this->synced = deferred;
		}
		this->condvar->broadcast(this->condvar);
	}
	ok = this->synced >= ticket;
	this->mutex->unlock(this->mutex);
	return ok;
}

METHOD(groupvpn_store_t, check, status_t,
	private_groupvpn_store_t *this, uint64_t ticket)
{
	status_t status = SUCCESS;

	this->mutex->lock(this->mutex);
	if (this->synced < ticket)
	{
		status = this->lost ? FAILED : NEED_MORE;
	}
	this->mutex->unlock(this->mutex);
	return status;
}

METHOD(groupvpn_store_t, destroy, void,
	private_groupvpn_store_t *this)
{
	close_all(this);
	this->condvar->destroy(this->condvar);
	this->mutex->destroy(this->mutex);
	free(this->file);
	free(this->key_file);
	free(this);
}

/*
 * See header
 */
groupvpn_store_t *groupvpn_store_create_sqlite(char *file, char *key_file)
{
	private_groupvpn_store_t *this;

	INIT(this,
		.public = {
			.open = _open_,
			.load = _load,
			.has_tag = _has_tag,
			.begin = _begin,
			.save_group = _save_group,
			.save_epoch = _save_epoch,
			.remove_epoch = _remove_epoch,
			.save_member = _save_member,
			.save_eviction = _save_eviction,
			.load_kek = _load_kek,
			.save_kek = _save_kek,
			.save_keys = _save_keys,
			.remove_path = _remove_path,
			.save_messages = _save_messages,
			.remove_keys = _remove_keys,
			.remove_kek = _remove_kek,
			.commit = _commit,
			.defer = _defer,
			.sync = _sync_,
			.check = _check,
			.destroy = _destroy,
		},
		.file = strdup(file),
		.key_file = strdup(key_file),
		.fd = -1,
		.log = -1,
		.mutex = mutex_create(MUTEX_TYPE_DEFAULT),
		.condvar = condvar_create(CONDVAR_TYPE_DEFAULT),
	);
	gv_secret_hide(this, sizeof(*this));
	return &this->public;
}

/**
 * The store that keeps nothing knows no group
 */
static status_t load_nothing()
{
	return NOT_FOUND;
}

/**
 * Nor is there anything to wait for
 */
static uint64_t wait_for_nothing()
{
	return 0;
}

/*
 * See header
 */
groupvpn_store_t *groupvpn_store_create_none()
{
	groupvpn_store_t *this;

	INIT(this,
		.open = (void*)return_true,
		.load = (void*)load_nothing,
		.has_tag = (void*)return_false,
		.begin = (void*)nop,
		.save_group = (void*)nop,
		.save_epoch = (void*)nop,
		.remove_epoch = (void*)nop,
		.save_member = (void*)nop,
		.save_eviction = (void*)nop,
		.load_kek = (void*)load_nothing,
		.save_kek = (void*)nop,
		.save_keys = (void*)nop,
		.remove_path = (void*)nop,
		.save_messages = (void*)nop,
		.remove_keys = (void*)nop,
		.remove_kek = (void*)nop,
		.commit = (void*)return_true,
		.defer = (void*)wait_for_nothing,
		.sync = (void*)return_true,
		.check = (void*)return_success,
		.destroy = (void*)free,
	);
	return this;
}
