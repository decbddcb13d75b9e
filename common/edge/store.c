/* store.c - the adapter of LMDB.
 *
 * A write is a list of operations, not a handle, because a full map can be grown only while no transaction is open: the
 * list is simply carried out again. The directory lock makes us the only process and the owner's thread the only user,
 * so LMDB's own locks are off (MDB_NOLOCK) and no dead reader can keep pages from being used again; in return a write
 * inside a visitor is a bug, and asserted.
 *
 * LMDB has no checksums. Each value is followed by 8 bytes of SipHash over it, keyed by its key, so a value that rotted
 * or was swapped with another is found when it is read.
 */
#include "common/edge/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/edge/dirsync.h"
#include "common/edge/log.h"
#include "common/edge/store_state.h"

enum { MAP_BYTES_MIN = 1024 * 1024 };

static_assert(STORE_CHECKSUM_BYTES == crypto_shorthash_BYTES, "a checksum is a SipHash");
static_assert(crypto_shorthash_KEYBYTES == 2 * sizeof(uint64_t), "a checksum's key is two words");
static_assert(sizeof(size_t) == sizeof(uint64_t), "MDB_INTEGERKEY keys are size_t");

int store_error(const struct store *self, int mdb_rc, const char *what)
{
    switch (mdb_rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_KEYEXIST:
        return -EEXIST;
    case MDB_MAP_FULL:
    case MDB_DBS_FULL:
        return ERR_FULL;
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
        return -EINVAL;
    default:
        break;
    }
    log_error("store.failed", "path=%s action=%s error=%s", LOG_QUOTE_TEXT(self->path), what,
              LOG_QUOTE_TEXT(mdb_strerror(mdb_rc)));
    return mdb_rc > 0 ? -mdb_rc : ERR_CORRUPT;
}

int store_corrupt(const struct store *self, const char *what)
{
    log_error("store.corrupt", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(self->path), what);
    return ERR_CORRUPT;
}

bool store_key_is_valid(struct store_table table, const struct store_key *key)
{
    if (table.keys == STORE_KEYS_HEIGHT)
        return true;
    return key->bytes.data && key->bytes.size > 0 && key->bytes.size <= STORE_KEY_BYTES_MAX;
}

MDB_val store_val(const void *data, size_t size)
{
    union {
        const void *in;
        void *out;
    } pointer = {.in = data};
    return (MDB_val){.mv_data = pointer.out, .mv_size = size};
}

MDB_val store_val_of_key(struct store_table table, const struct store_key *key)
{
    if (table.keys == STORE_KEYS_HEIGHT)
        return store_val(&key->height, sizeof key->height);
    return store_val(key->bytes.data, key->bytes.size);
}

void store_checksum(uint8_t out[static STORE_CHECKSUM_BYTES], const MDB_val *key, struct span value)
{
    static const uint8_t domain[crypto_shorthash_KEYBYTES] = "cybermesh/store";
    uint8_t value_key[crypto_shorthash_KEYBYTES] = {0};
    crypto_shorthash(value_key, key->mv_data, key->mv_size, domain);
    crypto_shorthash(out, value.data, value.size, value_key);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* LMDB found something impossible in its file; it aborts after this. */
static void env_broken(MDB_env *env, const char *text)
{
    const struct store *self = mdb_env_get_userctx(env);
    log_error("store.corrupt", "path=%s error=%s", LOG_QUOTE_TEXT(self->path), LOG_QUOTE_TEXT(text));
}

/* Make one directory and its entry durable. Returns 0 also when it exists. */
static int directory_make(const char *path)
{
    if (mkdir(path, S_IRWXU) < 0)
        return errno == EEXIST ? 0 : -errno;
    char parent[PATH_MAX + 4];
    snprintf(parent, sizeof parent, "%s/..", path);
    return dirsync(parent);
}

static int directories_make(const char *path)
{
    char part[PATH_MAX];
    size_t size = strlen(path);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        int rc = directory_make(part);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int directory_check(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    return status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : ERR_PERMISSIONS;
}

/* The lock ends with our process, however it ends. */
static int directory_lock(struct store *self)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/lock", self->path);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (self->lock_fd < 0)
        return -errno;
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return 0;
}

/* The bytes that the file should have, and has. */
static int file_sizes(struct store *self, int *fd, off_t *wanted, off_t *size)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat status;
    int rc = mdb_env_info(self->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(self->env, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(self->env, fd);
    if (rc != 0)
        return store_error(self, rc, "open");
    if (fstat(*fd, &status) < 0)
        return -errno;
    *wanted = (off_t)((info.me_last_pgno + 1) * stat.ms_psize);
    *size = status.st_size;
    return 0;
}

/* A file cut short would end us by SIGBUS. Zeros in place of what is missing are found as damage instead. */
static int file_extend(struct store *self)
{
    int fd = -1;
    off_t wanted = 0, size = 0;
    int rc = file_sizes(self, &fd, &wanted, &size);
    if (rc < 0 || size >= wanted)
        return rc;
    log_warn("store.short", "path=%s bytes=%lld wanted=%lld", LOG_QUOTE_TEXT(self->path), (long long)size,
             (long long)wanted);
    return ftruncate(fd, wanted) < 0 ? -errno : 0;
}

static int env_open(struct store *self, const struct store_options *options)
{
    int rc = mdb_env_create(&self->env);
    if (rc != 0)
        return store_error(self, rc, "create");
    mdb_env_set_userctx(self->env, self);
    mdb_env_set_assert(self->env, env_broken);
    rc = mdb_env_set_maxdbs(self->env, options->table_count_max);
    if (rc == 0)
        rc = mdb_env_set_mapsize(self->env, self->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(self->env, self->path, MDB_NOLOCK | MDB_NOTLS | (self->read_only ? MDB_RDONLY : 0),
                          S_IRUSR | S_IWUSR);
    if (rc != 0)
        return store_error(self, rc, "open");
    MDB_envinfo info;
    rc = mdb_env_info(self->env, &info);
    if (rc != 0)
        return store_error(self, rc, "open");
    self->map_bytes = info.me_mapsize; /* a file that holds more has a larger map */
    return self->read_only ? 0 : file_extend(self);
}

static int options_check(const struct store_options *options)
{
    if (!options->path || options->path[0] == '\0' || strlen(options->path) >= PATH_MAX)
        return -EINVAL;
    if (options->map_bytes < MAP_BYTES_MIN || options->map_bytes_max < options->map_bytes)
        return -EINVAL;
    return options->table_count_max >= 1 && options->table_count_max <= STORE_TABLE_COUNT_MAX ? 0 : -EINVAL;
}

enum { PROBE_CORRUPT = 1, PROBE_FAILED };

/* In the child: nothing is written, and no destructor runs. */
static _Noreturn void probe_child(struct store *self, const struct store_options *options)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < ARRAY_COUNT(deadly); i++)
        signal(deadly[i], SIG_DFL);
    self->read_only = true;
    int rc = env_open(self, options);
    rc = rc == 0 ? options->probe(self) : rc;
    _exit(rc == 0 ? 0 : rc == ERR_CORRUPT ? PROBE_CORRUPT : PROBE_FAILED);
}

static bool file_exists(const struct store *self)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/data.mdb", self->path);
    return access(path, F_OK) == 0;
}

/* Let a child process read first. Other failures than damage are left to us to meet. */
static int probe(struct store *self, const struct store_options *options)
{
    if (!options->probe || !file_exists(self))
        return 0;
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0)
        probe_child(self, options);
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    if (WIFSIGNALED(status))
        return store_corrupt(self, "a page is damaged: the process that read it was ended by a signal");
    return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == PROBE_FAILED ? 0 : ERR_CORRUPT;
}

static int store_open_all(struct store *self, const struct store_options *options)
{
    if (options->read_only) {
        int rc = file_exists(self) ? probe(self, options) : -ENOENT;
        return rc == 0 ? env_open(self, options) : rc;
    }
    int rc = directories_make(self->path);
    if (rc == 0)
        rc = directory_check(self->path);
    if (rc == 0)
        rc = directory_lock(self);
    if (rc == 0)
        rc = probe(self, options);
    if (rc == 0)
        rc = env_open(self, options);
    return rc == 0 ? dirsync(self->path) : rc;
}

int store_open(struct store **out, const struct store_options *options)
{
    int rc = options_check(options);
    if (rc < 0)
        return rc;
    CLEANUP(store_close) struct store *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->lock_fd = -1;
    self->map_bytes = options->map_bytes;
    self->map_bytes_max = options->map_bytes_max;
    self->read_only = options->read_only;
    memcpy(self->path, options->path, strlen(options->path) + 1);
    rc = store_open_all(self, options);
    if (rc < 0) {
        log_error("store.open_failed", "path=%s error=\"%s\"", LOG_QUOTE_TEXT(self->path),
                  rc == -EBUSY ? "another process has this directory open" : err_text(rc));
        return rc;
    }
    *out = TAKE(self);
    return 0;
}

void store_close(struct store **self)
{
    if (!self || !*self)
        return;
    if ((*self)->env)
        mdb_env_close((*self)->env);
    if ((*self)->lock_fd >= 0)
        close((*self)->lock_fd);
    free(*self);
    *self = NULL;
}

uint64_t store_sequence(const struct store *self)
{
    MDB_envinfo info = {0};
    (void)mdb_env_info(self->env, &info);
    return info.me_last_txnid;
}

struct store_usage store_usage(const struct store *self)
{
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    (void)mdb_env_info(self->env, &info);
    (void)mdb_env_stat(self->env, &stat);
    return (struct store_usage){.map_bytes = info.me_mapsize,
                                .used_bytes = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize};
}
