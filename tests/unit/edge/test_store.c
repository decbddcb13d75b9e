/* test_store.c - the local store, in directories of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/store.h"

enum { MIB = 1024 * 1024 };

struct story {
    struct store *store;
    struct store_table blocks;
    struct store_table meta;
    char directory[32];
    char path[64];
    char seen[512];
};

static struct store_options options_of(struct story *s)
{
    return (struct store_options){.path = s->path, .map_bytes = MIB, .map_bytes_max = 16 * MIB, .table_count_max = 4};
}

static void open_all(struct story *s)
{
    struct store_options options = options_of(s);
    assert_int_equal(store_open(&s->store, &options), 0);
    assert_int_equal(store_table_open(s->store, "blocks", STORE_KEYS_HEIGHT, &s->blocks), 0);
    assert_int_equal(store_table_open(s->store, "meta", STORE_KEYS_BYTES, &s->meta), 0);
}

static int story_setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    snprintf(s->directory, sizeof s->directory, "/tmp/store-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    snprintf(s->path, sizeof s->path, "%s/data/consensusd", s->directory);
    open_all(s);
    *state = s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    store_close(&s->store);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
    int rc = system(command);
    free(s);
    return rc;
}

static struct store_op append(const struct story *s, uint64_t height, const char *text)
{
    return (struct store_op){
        .kind = STORE_APPEND, .table = s->blocks, .key = store_key_height(height), .value = span_text(text)};
}

static struct store_op put(const struct story *s, const char *key, const char *text)
{
    return (struct store_op){.kind = STORE_PUT, .table = s->meta, .key = store_key_text(key), .value = span_text(text)};
}

static int write_one(struct story *s, struct store_op op)
{
    return store_write(s->store, &op, 1);
}

static int see(void *context, const struct store_entry *entry)
{
    struct story *s = context;
    size_t size = strlen(s->seen);
    if (entry->key.bytes.data)
        snprintf(s->seen + size, sizeof s->seen - size, "%.*s=%.*s ", (int)entry->key.bytes.size,
                 (const char *)entry->key.bytes.data, (int)entry->value.size, (const char *)entry->value.data);
    else
        snprintf(s->seen + size, sizeof s->seen - size, "%llu=%.*s ", (unsigned long long)entry->key.height,
                 (int)entry->value.size, (const char *)entry->value.data);
    return 0;
}

static const char *heights_seen(struct story *s, uint64_t first, uint64_t last)
{
    s->seen[0] = '\0';
    struct store_range range = {.first = first, .last = last};
    assert_int_equal(store_each_height(s->store, s->blocks, range, see, s), 0);
    return s->seen;
}

static const char *keys_seen(struct story *s, const char *prefix)
{
    s->seen[0] = '\0';
    assert_int_equal(store_each_bytes(s->store, s->meta, span_text(prefix), see, s), 0);
    return s->seen;
}

static void given_heights(struct story *s, uint64_t last)
{
    for (uint64_t height = 1; height <= last; height++)
        assert_int_equal(write_one(s, append(s, height, "b")), 0);
}

/* --- reading and writing ------------------------------------------------------------------------------------------ */

static void what_was_written_is_there_after_a_restart(void **state)
{
    struct story *s = *state;
    const struct store_op ops[] = {append(s, 7, "seven"), append(s, 8, "eight"), put(s, "view", "12"),
                                   put(s, "empty", "")};
    assert_int_equal(store_write(s->store, ops, ARRAY_COUNT(ops)), 0);
    store_close(&s->store);
    open_all(s);
    assert_string_equal(heights_seen(s, 0, UINT64_MAX), "7=seven 8=eight ");
    assert_string_equal(keys_seen(s, ""), "empty= view=12 ");
    uint64_t height = 0;
    assert_int_equal(store_first_height(s->store, s->blocks, &height), 0);
    assert_int_equal(height, 7);
    assert_int_equal(store_last_height(s->store, s->blocks, &height), 0);
    assert_int_equal(height, 8);
}

static void a_value_is_shown_or_copied(void **state)
{
    struct story *s = *state;
    assert_int_equal(write_one(s, put(s, "view", "12")), 0);
    assert_int_equal(store_get(s->store, s->meta, store_key_text("view"), see, s), 0);
    assert_string_equal(s->seen, "view=12 ");
    uint8_t *copy = NULL;
    size_t size = 0;
    assert_int_equal(store_get_copy(s->store, s->meta, store_key_text("view"), &copy, &size), 0);
    assert_int_equal(size, 2);
    assert_memory_equal(copy, "12", 2);
    free(copy);
    assert_int_equal(store_get(s->store, s->meta, store_key_text("vie"), see, s), ERR_NOT_FOUND);
    assert_int_equal(store_get(s->store, s->blocks, store_key_height(1), see, s), ERR_NOT_FOUND);
    assert_int_equal(store_get_copy(s->store, s->meta, store_key_text("x"), &copy, &size), ERR_NOT_FOUND);
}

static void put_replaces_and_delete_removes(void **state)
{
    struct story *s = *state;
    assert_int_equal(write_one(s, put(s, "view", "12")), 0);
    assert_int_equal(write_one(s, put(s, "view", "13")), 0);
    assert_string_equal(keys_seen(s, ""), "view=13 ");
    struct store_op gone = {.kind = STORE_DELETE, .table = s->meta, .key = store_key_text("view")};
    assert_int_equal(write_one(s, gone), 0);
    assert_int_equal(write_one(s, gone), 0); /* again is no error */
    assert_string_equal(keys_seen(s, ""), "");
}

static void an_append_goes_behind_the_last_height_only(void **state)
{
    struct story *s = *state;
    given_heights(s, 3);
    assert_int_equal(write_one(s, append(s, 3, "x")), -EEXIST);
    assert_int_equal(write_one(s, append(s, 2, "x")), -EEXIST);
    assert_int_equal(write_one(s, append(s, 5, "x")), 0);
    assert_string_equal(heights_seen(s, 0, 100), "1=b 2=b 3=b 5=x ");
}

static void one_bad_operation_undoes_them_all(void **state)
{
    struct story *s = *state;
    given_heights(s, 2);
    const struct store_op ops[] = {put(s, "view", "99"), append(s, 3, "c"), append(s, 3, "again")};
    assert_int_equal(store_write(s->store, ops, ARRAY_COUNT(ops)), -EEXIST);
    assert_string_equal(heights_seen(s, 0, 100), "1=b 2=b ");
    assert_string_equal(keys_seen(s, ""), "");
    assert_int_equal(store_write(s->store, ops, 2), 0);
}

static void ranges_are_walked_by_rising_height(void **state)
{
    struct story *s = *state;
    assert_string_equal(heights_seen(s, 0, UINT64_MAX), "");
    given_heights(s, 4);
    assert_int_equal(write_one(s, append(s, 300, "z")), 0); /* more than one byte: numeric order */
    assert_string_equal(heights_seen(s, 2, 3), "2=b 3=b ");
    assert_string_equal(heights_seen(s, 4, UINT64_MAX), "4=b 300=z ");
    assert_string_equal(heights_seen(s, 5, 299), "");
    assert_string_equal(heights_seen(s, 301, UINT64_MAX), "");
}

static void prefixes_are_walked_in_byte_order(void **state)
{
    struct story *s = *state;
    const struct store_op ops[] = {put(s, "peer/b", "2"), put(s, "peer", "0"), put(s, "peer/a", "1"), put(s, "q", "3")};
    assert_int_equal(store_write(s->store, ops, ARRAY_COUNT(ops)), 0);
    assert_string_equal(keys_seen(s, "peer/"), "peer/a=1 peer/b=2 ");
    assert_string_equal(keys_seen(s, "peer"), "peer=0 peer/a=1 peer/b=2 ");
    assert_string_equal(keys_seen(s, "r"), "");
}

static void old_and_undone_heights_are_cut_off(void **state)
{
    struct story *s = *state;
    given_heights(s, 6);
    const struct store_op below = {.kind = STORE_DELETE_BELOW, .table = s->blocks, .key = store_key_height(3)};
    const struct store_op from = {.kind = STORE_DELETE_FROM, .table = s->blocks, .key = store_key_height(5)};
    assert_int_equal(write_one(s, below), 0);
    assert_string_equal(heights_seen(s, 0, 100), "3=b 4=b 5=b 6=b ");
    const struct store_op cut[] = {from, append(s, 5, "new")}; /* a fork is replaced in one write */
    assert_int_equal(store_write(s->store, cut, 2), 0);
    assert_string_equal(heights_seen(s, 0, 100), "3=b 4=b 5=new ");
    const struct store_op all = {.kind = STORE_DELETE_FROM, .table = s->blocks, .key = store_key_height(0)};
    assert_int_equal(write_one(s, all), 0);
    assert_int_equal(write_one(s, all), 0);
    uint64_t height;
    assert_int_equal(store_last_height(s->store, s->blocks, &height), ERR_NOT_FOUND);
    assert_int_equal(store_first_height(s->store, s->blocks, &height), ERR_NOT_FOUND);
}

static int stop_at_two(void *context, const struct store_entry *entry)
{
    see(context, entry);
    return entry->key.height == 2 ? 42 : 0;
}

static void a_visitor_may_end_the_walk(void **state)
{
    struct story *s = *state;
    given_heights(s, 4);
    struct store_range all = {.first = 0, .last = UINT64_MAX};
    assert_int_equal(store_each_height(s->store, s->blocks, all, stop_at_two, s), 42);
    assert_string_equal(s->seen, "1=b 2=b ");
}

static int read_inside(void *context, const struct store_entry *entry)
{
    struct story *s = context;
    (void)entry;
    uint64_t height = 0;
    assert_int_equal(store_last_height(s->store, s->blocks, &height), 0);
    return (int)height;
}

static void a_visitor_may_read_too(void **state)
{
    struct story *s = *state;
    given_heights(s, 4);
    assert_int_equal(store_get(s->store, s->blocks, store_key_height(1), read_inside, s), 4);
}

static void keys_and_operations_out_of_range_are_refused(void **state)
{
    struct story *s = *state;
    static const uint8_t long_key[STORE_KEY_BYTES_MAX + 1] = {1};
    struct store_op op = put(s, "", "x");
    assert_int_equal(write_one(s, op), -EINVAL);
    op.key = store_key_bytes(span_of(long_key, sizeof long_key));
    assert_int_equal(write_one(s, op), -EINVAL);
    op.key.bytes.size--;
    assert_int_equal(write_one(s, op), 0);
    op.kind = STORE_APPEND;
    assert_int_equal(write_one(s, op), -EINVAL);
    op.kind = STORE_DELETE_BELOW;
    assert_int_equal(write_one(s, op), -EINVAL);
    op.kind = 0;
    assert_int_equal(write_one(s, op), -EINVAL);
    assert_int_equal(store_get(s->store, s->meta, store_key_text(""), see, s), -EINVAL);
}

static void a_table_keeps_its_kind_of_keys(void **state)
{
    struct story *s = *state;
    struct store_table table;
    assert_int_equal(store_table_open(s->store, "blocks", STORE_KEYS_BYTES, &table), -EINVAL);
    assert_int_equal(store_table_open(s->store, "", STORE_KEYS_BYTES, &table), -EINVAL);
    assert_int_equal(store_table_open(s->store, "c", STORE_KEYS_BYTES, &table), 0);
    assert_int_equal(store_table_open(s->store, "d", STORE_KEYS_BYTES, &table), 0);
    assert_int_equal(store_table_open(s->store, "e", STORE_KEYS_BYTES, &table), ERR_FULL);
    given_heights(s, 1);
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static void the_map_grows_up_to_its_limit(void **state)
{
    struct story *s = *state;
    char *value = malloc(600 * 1024);
    memset(value, 'v', 600 * 1024 - 1);
    value[600 * 1024 - 1] = '\0';
    uint64_t height = 0;
    int rc = 0;
    while (rc == 0 && height < 100)
        rc = write_one(s, append(s, ++height, value));
    assert_int_equal(rc, ERR_FULL);
    assert_true(height > 20); /* 16 MiB hold more than 20 of them: it has grown from 1 MiB */
    assert_int_equal(store_usage(s->store).map_bytes, 16 * MIB);
    assert_true(store_usage(s->store).used_bytes > 12 * MIB);
    uint64_t last = 0;
    assert_int_equal(store_last_height(s->store, s->blocks, &last), 0);
    assert_int_equal(last, height - 1);
    store_close(&s->store);
    struct store_options options = options_of(s); /* the operator raises the limit */
    options.map_bytes_max = 17 * MIB;
    assert_int_equal(store_open(&s->store, &options), 0);
    assert_int_equal(store_table_open(s->store, "blocks", STORE_KEYS_HEIGHT, &s->blocks), 0);
    assert_int_equal(write_one(s, append(s, height, value)), 0);
    free(value);
}

static void one_write_larger_than_the_map_grows_it(void **state)
{
    struct story *s = *state;
    char *value = malloc(5 * MIB);
    memset(value, 'v', 5 * MIB - 1);
    value[5 * MIB - 1] = '\0';
    const struct store_op ops[] = {put(s, "view", "1"), append(s, 1, value)};
    assert_int_equal(store_write(s->store, ops, 2), 0);
    assert_string_equal(keys_seen(s, ""), "view=1 ");
    store_close(&s->store);
    open_all(s); /* with the small map again: the file's size counts */
    uint8_t *copy = NULL;
    size_t size = 0;
    assert_int_equal(store_get_copy(s->store, s->blocks, store_key_height(1), &copy, &size), 0);
    assert_int_equal(size, 5 * MIB - 1);
    assert_memory_equal(copy, value, size);
    free(copy);
    free(value);
}

/* --- directories and processes ------------------------------------------------------------------------------------ */

static void the_directory_is_made_for_us_alone(void **state)
{
    struct story *s = *state;
    struct stat status;
    assert_int_equal(stat(s->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    char file[128];
    snprintf(file, sizeof file, "%s/data.mdb", s->path);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    store_close(&s->store);
    assert_int_equal(chmod(s->path, 0770), 0);
    struct store_options options = options_of(s);
    assert_int_equal(store_open(&s->store, &options), ERR_PERMISSIONS);
    assert_int_equal(chmod(s->path, 0700), 0);
    assert_int_equal(store_open(&s->store, &options), 0);
}

static void bad_options_are_refused(void **state)
{
    struct story *s = *state;
    store_close(&s->store);
    const struct store_options good = options_of(s);
    struct store_options bad[5] = {good, good, good, good, good};
    bad[0].path = "";
    bad[1].map_bytes = 1;
    bad[2].map_bytes_max = good.map_bytes - 1;
    bad[3].table_count_max = 0;
    bad[4].table_count_max = STORE_TABLE_COUNT_MAX + 1;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(store_open(&s->store, &bad[i]), -EINVAL);
    struct store_options file = good;
    file.path = "/dev/null/x";
    assert_int_equal(store_open(&s->store, &file), -ENOTDIR);
}

static void two_processes_never_share_a_store(void **state)
{
    struct story *s = *state;
    struct store_options options = options_of(s);
    struct store *second = NULL;
    assert_int_equal(store_open(&second, &options), -EBUSY);
    assert_null(second);
    store_close(&s->store);
    assert_int_equal(store_open(&second, &options), 0);
    assert_int_equal(store_open(&s->store, &options), -EBUSY);
    store_close(&second);
}

/* In a child: write heights for ever, telling each one after its write has returned. */
static void write_until_killed(struct story *s, int out)
{
    open_all(s);
    for (uint64_t height = 1;; height++) {
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long)height);
        const struct store_op ops[] = {append(s, height, text), put(s, "last", text)};
        if (store_write(s->store, ops, 2) != 0 || write(out, &height, sizeof height) != sizeof height)
            _exit(1);
    }
}

static void what_was_told_before_kill_9_is_there(void **state)
{
    struct story *s = *state;
    store_close(&s->store);
    for (unsigned round = 0; round < 5; round++) {
        int pipe_fds[2];
        snprintf(s->path, sizeof s->path, "%s/round-%u", s->directory, round);
        assert_int_equal(pipe(pipe_fds), 0);
        pid_t child = fork();
        if (child == 0)
            write_until_killed(s, pipe_fds[1]);
        close(pipe_fds[1]);
        uint64_t told = 0, height = 0;
        while (told < 20 + round * 7 && read(pipe_fds[0], &height, sizeof height) == sizeof height)
            told = height;
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(pipe_fds[0], &height, sizeof height) == sizeof height)
            told = height;
        close(pipe_fds[0]);
        waitpid(child, NULL, 0);

        open_all(s);
        uint64_t last = 0;
        assert_int_equal(store_last_height(s->store, s->blocks, &last), 0);
        assert_true(last >= told && last <= told + 1);
        uint8_t *copy = NULL;
        size_t size = 0;
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long)last);
        assert_int_equal(store_get_copy(s->store, s->meta, store_key_text("last"), &copy, &size), 0);
        assert_int_equal(size, strlen(text));
        assert_memory_equal(copy, text, size); /* both tables are of the same write */
        free(copy);
        store_close(&s->store);
    }
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* Change every occurrence of a text in the data file. */
static void damage_file(const struct story *s, const char *from, const char *to)
{
    char file[128];
    snprintf(file, sizeof file, "%s/data.mdb", s->path);
    int fd = open(file, O_RDWR);
    assert_true(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    char *bytes = malloc((size_t)size);
    assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
    for (char *at = bytes; (at = memmem(at, (size_t)(bytes + size - at), from, strlen(from))); at++)
        assert_int_equal(pwrite(fd, to, strlen(to), at - bytes), strlen(to));
    free(bytes);
    close(fd);
}

static void a_rotten_value_is_corrupt_not_wrong(void **state)
{
    struct story *s = *state;
    assert_int_equal(write_one(s, put(s, "voted", "view=0000012")), 0);
    assert_int_equal(write_one(s, put(s, "other", "fine")), 0);
    store_close(&s->store);
    damage_file(s, "view=0000012", "view=0000011");
    open_all(s);
    assert_int_equal(store_get(s->store, s->meta, store_key_text("voted"), see, s), ERR_CORRUPT);
    assert_int_equal(store_each_bytes(s->store, s->meta, span_text(""), see, s), ERR_CORRUPT);
    assert_int_equal(store_get(s->store, s->meta, store_key_text("other"), see, s), 0);
}

static void a_value_under_another_key_is_corrupt(void **state)
{
    struct story *s = *state;
    assert_int_equal(write_one(s, put(s, "key-aaaaaaaa", "value")), 0);
    store_close(&s->store);
    damage_file(s, "key-aaaaaaaa", "key-bbbbbbbb");
    open_all(s);
    assert_int_equal(store_get(s->store, s->meta, store_key_text("key-bbbbbbbb"), see, s), ERR_CORRUPT);
}

static void a_file_cut_short_is_corrupt_not_the_end(void **state)
{
    struct story *s = *state;
    char *value = malloc(200 * 1024);
    memset(value, 'v', 200 * 1024 - 1);
    value[200 * 1024 - 1] = '\0';
    assert_int_equal(write_one(s, append(s, 1, value)), 0);
    free(value);
    store_close(&s->store);
    char file[128];
    snprintf(file, sizeof file, "%s/data.mdb", s->path);
    struct stat status;
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(truncate(file, status.st_size - 100 * 1024), 0);
    struct store_options options = options_of(s);
    int rc = store_open(&s->store, &options);
    if (rc == 0)
        rc = store_table_open(s->store, "blocks", STORE_KEYS_HEIGHT, &s->blocks);
    if (rc == 0)
        rc = store_get(s->store, s->blocks, store_key_height(1), see, s);
    assert_int_equal(rc, ERR_CORRUPT);
}

static void a_file_of_something_else_is_corrupt(void **state)
{
    struct story *s = *state;
    store_close(&s->store);
    char file[128];
    snprintf(file, sizeof file, "%s/data.mdb", s->path);
    int fd = open(file, O_WRONLY | O_TRUNC);
    char page[8192];
    memset(page, 'j', sizeof page);
    assert_int_equal(write(fd, page, sizeof page), sizeof page);
    close(fd);
    struct store_options options = options_of(s);
    assert_int_equal(store_open(&s->store, &options), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
        STORY(what_was_written_is_there_after_a_restart),
        STORY(a_value_is_shown_or_copied),
        STORY(put_replaces_and_delete_removes),
        STORY(an_append_goes_behind_the_last_height_only),
        STORY(one_bad_operation_undoes_them_all),
        STORY(ranges_are_walked_by_rising_height),
        STORY(prefixes_are_walked_in_byte_order),
        STORY(old_and_undone_heights_are_cut_off),
        STORY(a_visitor_may_end_the_walk),
        STORY(a_visitor_may_read_too),
        STORY(keys_and_operations_out_of_range_are_refused),
        STORY(a_table_keeps_its_kind_of_keys),
        STORY(the_map_grows_up_to_its_limit),
        STORY(one_write_larger_than_the_map_grows_it),
        STORY(the_directory_is_made_for_us_alone),
        STORY(bad_options_are_refused),
        STORY(two_processes_never_share_a_store),
        STORY(what_was_told_before_kill_9_is_there),
        STORY(a_rotten_value_is_corrupt_not_wrong),
        STORY(a_value_under_another_key_is_corrupt),
        STORY(a_file_cut_short_is_corrupt_not_the_end),
        STORY(a_file_of_something_else_is_corrupt),
    };
    log_set_fd(open("/dev/null", O_WRONLY));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
