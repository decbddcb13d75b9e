/* store.c - common/edge/store.h, journal_file.h and voted_mark.h in memory: what a process leaves behind when it ends.
 *
 * A write is one transaction, synced: it takes the disk's time, and a kill meanwhile leaves all of it or nothing. It
 * may fail, and then nothing has changed. Of an entry of the journal a kill may leave the first pages.
 */
#include "common/edge/store.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/edge/journal_file.h"
#include "common/edge/voted_mark.h"
#include "common/edge/voting_store.h"
#include "tests/sim/whole/world.h"

enum { TABLES_MAX = 8, PATH_BYTES = 192, KEY_BYTES_MAX = 64 };

struct entry {
    uint8_t key[KEY_BYTES_MAX];
    size_t key_size;
    uint8_t *value;
    size_t value_size;
};

struct table {
    char name[STORE_NAME_BYTES_MAX];
    enum store_keys keys;
    struct entry *entries; /* by key; heights are big-endian */
    size_t count, capacity;
};

/* A file or a directory: a mark, a journal or a store. */
struct disk {
    char path[PATH_BYTES];
    struct table tables[TABLES_MAX];
    size_t table_count;
    uint64_t sequence;
    bool has_mark;
    struct voted_mark mark, synced_mark;
    struct journal_content journal;
    struct disk *next;
};

struct store {
    struct disk *disk;
    bool read_only;
};

static struct disk *disk_find(const char *path)
{
    struct process *process = world.current;
    for (struct disk *each = process->disks; each; each = each->next) {
        if (strcmp(each->path, path) == 0)
            return each;
    }
    struct disk *disk = must(calloc(1, sizeof *disk));
    snprintf(disk->path, sizeof disk->path, "%s", path);
    disk->next = process->disks;
    process->disks = disk;
    return disk;
}

static void table_cut(struct table *table, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++)
        free(table->entries[i].value);
    if (last < table->count)
        memmove(table->entries + first, table->entries + last, (table->count - last) * sizeof *table->entries);
    table->count -= last - first;
}

void disk_free(struct disk **disks)
{
    while (*disks) {
        struct disk *disk = *disks;
        *disks = disk->next;
        for (size_t i = 0; i < disk->table_count; i++) {
            table_cut(&disk->tables[i], 0, disk->tables[i].count);
            free(disk->tables[i].entries);
        }
        journal_content_deinit(&disk->journal);
        free(disk);
    }
}

void disk_lag(struct disk *disks)
{
    for (struct disk *each = disks; each; each = each->next) {
        if (each->has_mark && world_below(2) == 0)
            each->mark = each->synced_mark;
    }
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

int store_open(struct store **out, const struct store_options *options)
{
    struct store store = {.disk = disk_find(options->path), .read_only = true};
    int rc = options->probe && store.disk->table_count > 0 ? options->probe(&store) : 0;
    if (rc < 0)
        return rc;
    store.read_only = options->read_only;
    struct store *self = must(calloc(1, sizeof *self));
    *self = store;
    *out = self;
    return 0;
}

void store_close(struct store **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

int store_table_open(struct store *self, const char *name, enum store_keys keys, struct store_table *out)
{
    struct disk *disk = self->disk;
    uint32_t index = 0;
    while (index < disk->table_count && strcmp(disk->tables[index].name, name) != 0)
        index++;
    if (index == disk->table_count) {
        if (self->read_only)
            return ERR_NOT_FOUND;
        if (index == TABLES_MAX)
            return ERR_FULL;
        struct table *table = &disk->tables[disk->table_count++];
        snprintf(table->name, sizeof table->name, "%s", name);
        table->keys = keys;
    }
    *out = (struct store_table){.id_ = index, .keys = keys};
    return disk->tables[index].keys == keys ? 0 : -EINVAL;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static struct span key_of(struct store_table table, const struct store_key *key, uint8_t height[static 8])
{
    if (table.keys == STORE_KEYS_BYTES)
        return key->bytes;
    struct bytes_writer writer = bytes_writer_of(height, 8);
    bytes_put_u64(&writer, key->height);
    return bytes_written(&writer);
}

static int compare(struct span a, struct span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : a.size < b.size ? -1 : a.size > b.size;
}

/* The first entry that is not below the key. */
static size_t lower_bound(const struct table *table, struct span key)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct entry *entry = &table->entries[middle];
        if (compare(span_of(entry->key, entry->key_size), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct table *table, size_t index, struct span key)
{
    return index < table->count &&
           compare(span_of(table->entries[index].key, table->entries[index].key_size), key) == 0;
}

static const struct table *table_find(const struct disk *disk, const char *name)
{
    for (size_t i = 0; i < disk->table_count; i++) {
        if (strcmp(disk->tables[i].name, name) == 0)
            return &disk->tables[i];
    }
    return NULL;
}

static struct span disk_value(const struct disk *disks, const char *table, const char *key)
{
    for (const struct disk *each = disks; each; each = each->next) {
        const struct table *found = table_find(each, table);
        size_t index = found ? lower_bound(found, span_text(key)) : 0;
        if (found && is_at(found, index, span_text(key)))
            return span_of(found->entries[index].value, found->entries[index].value_size);
    }
    return (struct span){0};
}

int disk_voting(struct voting_record *out, const struct disk *disks)
{
    const char *why;
    int rc = voting_record_decode(out, disk_value(disks, VOTING_STORE_META, VOTING_STORE_KEY));
    for (const struct disk *each = disks; each && rc == 0; each = each->next)
        rc = each->journal.bytes ? voting_store_follow(out, &each->journal, &why) : 0;
    return rc;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put(struct table *table, struct span key, struct span value)
{
    size_t index = lower_bound(table, key);
    if (!is_at(table, index, key)) {
        if (table->count == table->capacity) {
            table->capacity = table->capacity ? 2 * table->capacity : 16;
            table->entries = must(realloc(table->entries, table->capacity * sizeof *table->entries));
        }
        memmove(table->entries + index + 1, table->entries + index, (table->count - index) * sizeof *table->entries);
        table->count++;
        table->entries[index] = (struct entry){.key_size = key.size};
        memcpy(table->entries[index].key, key.data, key.size);
    }
    struct entry *entry = &table->entries[index];
    free(entry->value);
    entry->value = must(malloc(value.size + 1));
    entry->value_size = value.size;
    if (value.size > 0)
        memcpy(entry->value, value.data, value.size);
}

/* Returns whether anything changed. */
static bool apply(struct disk *disk, const struct store_op *op)
{
    uint8_t height[8];
    struct table *table = &disk->tables[op->table.id_];
    struct span key = key_of(op->table, &op->key, height);
    size_t index = lower_bound(table, key);
    size_t before = table->count;
    switch (op->kind) {
    case STORE_PUT:
    case STORE_APPEND:
        put(table, key, op->value);
        return true;
    case STORE_DELETE:
        if (is_at(table, index, key))
            table_cut(table, index, index + 1);
        break;
    case STORE_DELETE_BELOW:
        table_cut(table, 0, index);
        break;
    case STORE_DELETE_FROM:
        table_cut(table, index, table->count);
        break;
    }
    return table->count != before;
}

/* Would every operation succeed? An APPEND goes behind the last key, also behind those of this write. */
static int check(const struct disk *disk, const struct store_op *ops, size_t count)
{
    uint64_t last[TABLES_MAX];
    bool any[TABLES_MAX];
    for (size_t i = 0; i < disk->table_count; i++) {
        const struct table *table = &disk->tables[i];
        any[i] = table->keys == STORE_KEYS_HEIGHT && table->count > 0;
        struct bytes_reader reader =
            bytes_reader_of(any[i] ? span_of(table->entries[table->count - 1].key, 8) : (struct span){0});
        last[i] = bytes_get_u64(&reader);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t table = ops[i].table.id_;
        if (ops[i].table.keys == STORE_KEYS_BYTES &&
            (ops[i].key.bytes.size == 0 || ops[i].key.bytes.size > KEY_BYTES_MAX))
            return -EINVAL;
        if (ops[i].kind == STORE_DELETE_FROM)
            any[table] = false; /* what is appended then is checked by its reader */
        if (ops[i].kind != STORE_APPEND)
            continue;
        if (any[table] && ops[i].key.height <= last[table])
            return -EEXIST;
        any[table] = true;
        last[table] = ops[i].key.height;
    }
    return 0;
}

static void written(struct store *self, const struct store_op *ops, size_t count)
{
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        changed |= apply(self->disk, &ops[i]);
        if (world.current->stage == STAGE_EXECUTORD && ops[i].kind == STORE_APPEND)
            judge_outcome(world.current->validator, ops[i].key.height, ops[i].value);
    }
    self->disk->sequence += changed;
}

int store_write(struct store *self, const struct store_op *ops, size_t count)
{
    struct process *process = world.current;
    bool was_dead = process->dead;
    if (!world_point()) {
        if (!was_dead && world_below(2) == 0 && check(self->disk, ops, count) == 0)
            written(self, ops, count);
        return -EIO;
    }
    if (world_chance(process->write_fail_ppm)) {
        process->write_failed = true;
        return -ENOSPC;
    }
    int rc = check(self->disk, ops, count);
    if (rc < 0)
        return rc;
    world_wait(world_below(process->write_us_max + 1));
    written(self, ops, count);
    return 0;
}

uint64_t store_sequence(const struct store *self)
{
    return self->disk->sequence;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int show(const struct store *self, struct store_table table, size_t index, store_visit_fn *visit, void *context)
{
    const struct entry *stored = &self->disk->tables[table.id_].entries[index];
    struct span key = span_of(stored->key, stored->key_size);
    struct store_entry entry = {.value = span_of(stored->value, stored->value_size), .sequence = self->disk->sequence};
    struct bytes_reader reader = bytes_reader_of(key);
    if (table.keys == STORE_KEYS_HEIGHT)
        entry.key.height = bytes_get_u64(&reader);
    else
        entry.key.bytes = key;
    return visit(context, &entry);
}

int store_get(struct store *self, struct store_table table, struct store_key key, store_visit_fn *visit, void *context)
{
    uint8_t height[8];
    struct span wanted = key_of(table, &key, height);
    size_t index = lower_bound(&self->disk->tables[table.id_], wanted);
    if (!is_at(&self->disk->tables[table.id_], index, wanted))
        return ERR_NOT_FOUND;
    return show(self, table, index, visit, context);
}

struct copy {
    uint8_t *data;
    size_t size;
};

static int copy_entry(void *context, const struct store_entry *entry)
{
    struct copy *copy = context;
    *copy = (struct copy){.size = entry->value.size};
    if (copy->size > 0)
        copy->data = memcpy(must(malloc(copy->size)), entry->value.data, copy->size);
    return 0;
}

int store_get_copy(struct store *self, struct store_table table, struct store_key key, uint8_t **out, size_t *size)
{
    struct copy copy = {0};
    int rc = store_get(self, table, key, copy_entry, &copy);
    if (rc == 0) {
        *out = copy.data;
        *size = copy.size;
    }
    return rc;
}

int store_each_height(struct store *self, struct store_table table, struct store_range range, store_visit_fn *visit,
                      void *context)
{
    const struct table *data = &self->disk->tables[table.id_];
    uint8_t height[8];
    struct store_key first = store_key_height(range.first);
    for (size_t i = lower_bound(data, key_of(table, &first, height)); i < data->count; i++) {
        struct bytes_reader reader = bytes_reader_of(span_of(data->entries[i].key, 8));
        if (bytes_get_u64(&reader) > range.last)
            return 0;
        int rc = show(self, table, i, visit, context);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int store_each_bytes(struct store *self, struct store_table table, struct span prefix, store_visit_fn *visit,
                     void *context)
{
    const struct table *data = &self->disk->tables[table.id_];
    for (size_t i = lower_bound(data, prefix); i < data->count; i++) {
        if (data->entries[i].key_size < prefix.size || !span_equal(span_of(data->entries[i].key, prefix.size), prefix))
            return 0;
        int rc = show(self, table, i, visit, context);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int end_height(const struct store *self, struct store_table table, bool last, uint64_t *out)
{
    const struct table *data = &self->disk->tables[table.id_];
    if (data->count == 0)
        return ERR_NOT_FOUND;
    struct bytes_reader reader = bytes_reader_of(span_of(data->entries[last ? data->count - 1 : 0].key, 8));
    *out = bytes_get_u64(&reader);
    return 0;
}

int store_first_height(struct store *self, struct store_table table, uint64_t *out)
{
    return end_height(self, table, false, out);
}

int store_last_height(struct store *self, struct store_table table, uint64_t *out)
{
    return end_height(self, table, true, out);
}

struct store_usage store_usage(const struct store *self)
{
    return (struct store_usage){.map_bytes = 0, .used_bytes = 0};
}

/* --- the mark beside the key -------------------------------------------------------------------------------------- */

static struct disk *marks[VALIDATORS_MAX]; /* of the open files, by what stands for the descriptor */

int voted_mark_read(struct voted_mark *out, const char *path)
{
    const struct disk *disk = disk_find(path);
    if (!disk->has_mark)
        return ERR_NOT_FOUND;
    *out = disk->mark;
    return 0;
}

int voted_mark_write(struct voted_mark_file *file, const struct voted_mark *mark, bool sync)
{
    if (!world_point())
        return -EIO;
    struct disk *disk = marks[file->fd];
    disk->has_mark = true;
    disk->mark = *mark;
    if (sync)
        disk->synced_mark = *mark;
    return 0;
}

int voted_mark_open(struct voted_mark_file *out, const char *path, const struct voted_mark *first)
{
    if (!world_point())
        return -EIO;
    struct disk *disk = disk_find(path);
    int fd = (int)world.current->validator;
    marks[fd] = disk;
    *out = (struct voted_mark_file){.fd = fd};
    return disk->has_mark ? 0 : voted_mark_write(out, first, /* sync= */ true);
}

void voted_mark_close(struct voted_mark_file *file)
{
    file->fd = -1;
}

/* --- the journal -------------------------------------------------------------------------------------------------- */

static struct disk *journals[VALIDATORS_MAX]; /* as marks */

static struct disk *journal_find(const char *path)
{
    struct disk *disk = disk_find(path);
    if (!disk->journal.bytes)
        disk->journal.bytes = must(calloc(1, JOURNAL_BYTES));
    return disk;
}

int journal_load(struct journal_content *out, const char *path)
{
    out->bytes = memcpy(must(malloc(JOURNAL_BYTES)), journal_find(path)->journal.bytes, JOURNAL_BYTES);
    return 0;
}

int journal_open(struct journal *out, const char *path)
{
    if (!world_point())
        return -EIO;
    int fd = (int)world.current->validator;
    journals[fd] = journal_find(path);
    memset(journals[fd]->journal.bytes, 0, JOURNAL_BYTES);
    *out = (struct journal){.fd = fd, .slot_ = must(malloc(JOURNAL_SLOT_BYTES))};
    return 0;
}

int journal_file_write(const struct journal *self, size_t size, uint32_t slot)
{
    struct process *process = world.current;
    uint8_t *at = journals[self->fd]->journal.bytes + (size_t)slot * JOURNAL_SLOT_BYTES;
    bool was_dead = process->dead;
    if (!world_point()) {
        if (!was_dead)
            memcpy(at, self->slot_, world_below(size / JOURNAL_PAGE_BYTES + 1) * JOURNAL_PAGE_BYTES);
        return -EIO;
    }
    if (world_chance(process->write_fail_ppm)) {
        process->write_failed = true;
        return -ENOSPC;
    }
    world_wait(world_below(process->write_us_max + 1));
    memcpy(at, self->slot_, size);
    return 0;
}

void journal_close(struct journal *self)
{
    free(self->slot_);
    *self = (struct journal){.fd = -1};
}
