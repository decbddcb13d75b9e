/* test_journal.c - entries come back as they were written, in a file that may be torn, damaged, cut short or older. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "common/edge/journal.h"

struct story {
    char directory[32], path[64];
    struct journal journal;
    char seen[512]; /* "index:payload " of each entry */
    int visit_rc;
};

static int setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    snprintf(s->directory, sizeof s->directory, "/tmp/journal-XXXXXX");
    if (!mkdtemp(s->directory))
        return -1;
    snprintf(s->path, sizeof s->path, "%s/journal", s->directory);
    *state = s;
    return journal_open(&s->journal, s->path);
}

static int teardown(void **state)
{
    struct story *s = *state;
    journal_close(&s->journal);
    int rc = unlink(s->path) < 0 && errno != ENOENT ? -1 : rmdir(s->directory);
    free(s);
    return rc;
}

static uint32_t append(struct story *s, uint64_t generation, const char *text)
{
    uint32_t index = 0;
    assert_int_equal(journal_append(&s->journal, generation, span_text(text), &index), 0);
    return index;
}

static int note(void *context, uint32_t index, struct span payload)
{
    struct story *s = context;
    size_t used = strlen(s->seen);
    snprintf(s->seen + used, sizeof s->seen - used, "%u:%.*s ", index, (int)payload.size, (const char *)payload.data);
    return s->visit_rc;
}

/* What a start reads; *rc of the walk. */
static const char *entries_rc(struct story *s, uint64_t generation, int *rc)
{
    struct journal_content content;
    s->seen[0] = '\0';
    assert_int_equal(journal_load(&content, s->path), 0);
    *rc = journal_each(&content, generation, note, s);
    journal_content_deinit(&content);
    return s->seen;
}

static const char *entries(struct story *s, uint64_t generation)
{
    int rc;
    const char *seen = entries_rc(s, generation, &rc);
    assert_int_equal(rc, 0);
    return seen;
}

static uint64_t generation_of(const struct story *s)
{
    struct journal_content content;
    assert_int_equal(journal_load(&content, s->path), 0);
    uint64_t generation = journal_generation(&content);
    journal_content_deinit(&content);
    return generation;
}

static void flip(const struct story *s, off_t at)
{
    int fd = open(s->path, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void entries_come_back_in_order(void **state)
{
    struct story *s = *state;
    assert_string_equal(entries(s, 7), "");
    assert_int_equal(append(s, 7, "a"), 1);
    assert_int_equal(append(s, 7, ""), 2);
    assert_int_equal(append(s, 7, "ccc"), 3);
    assert_string_equal(entries(s, 7), "1:a 2: 3:ccc ");
    assert_string_equal(entries(s, 6), "");
    assert_int_equal(generation_of(s), 7);
}

/* What is in the store is not said a second time. */
static void a_new_generation_begins_at_the_first_entry(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    append(s, 7, "b");
    append(s, 7, "c");
    assert_int_equal(append(s, 8, "d"), 1);
    assert_string_equal(entries(s, 8), "1:d ");
    assert_int_equal(append(s, 8, "e"), 2);
    assert_string_equal(entries(s, 8), "1:d 2:e ");
    assert_int_equal(generation_of(s), 8);
}

static void a_start_leaves_nothing_of_the_run_before(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    append(s, 7, "b");
    journal_close(&s->journal);
    assert_int_equal(journal_open(&s->journal, s->path), 0);
    assert_int_equal(generation_of(s), 0);
    assert_int_equal(append(s, 7, "c"), 1);
    assert_string_equal(entries(s, 7), "1:c ");
}

static void a_full_journal_and_a_large_entry_are_for_the_store(void **state)
{
    struct story *s = *state;
    static const uint8_t large[JOURNAL_ENTRY_BYTES_MAX + 1];
    uint32_t index = 0;
    assert_int_equal(journal_append(&s->journal, 7, span_of(large, sizeof large), &index), ERR_FULL);
    assert_int_equal(journal_append(&s->journal, 7, span_of(large, sizeof large - 1), &index), 0);
    for (index = 1; index < JOURNAL_ENTRY_COUNT_MAX;)
        assert_int_equal(journal_append(&s->journal, 7, span_text("x"), &index), 0);
    assert_int_equal(journal_append(&s->journal, 7, span_text("y"), &index), ERR_FULL);
    assert_int_equal(append(s, 8, "z"), 1);
    struct stat status;
    assert_int_equal(stat(s->path, &status), 0);
    assert_int_equal(status.st_size, JOURNAL_BYTES);
}

/* Wherever a write ends, the entry is there as a whole or not at all. */
static void a_torn_entry_was_not_written(void **state)
{
    struct story *s = *state;
    static char text[9000];
    memset(text, 'x', sizeof text - 1);
    append(s, 7, "a");
    append(s, 7, text);
    struct journal_content content;
    assert_int_equal(journal_load(&content, s->path), 0);
    int fd = open(s->path, O_RDWR);
    static const uint8_t zeros[3 * JOURNAL_PAGE_BYTES];
    for (size_t pages = 0; pages <= 3; pages++) {
        const uint8_t *slot = content.bytes + JOURNAL_SLOT_BYTES;
        assert_int_equal(pwrite(fd, zeros, sizeof zeros, JOURNAL_SLOT_BYTES), sizeof zeros);
        assert_int_equal(pwrite(fd, slot, pages * JOURNAL_PAGE_BYTES, JOURNAL_SLOT_BYTES), pages * JOURNAL_PAGE_BYTES);
        assert_memory_equal(entries(s, 7), pages < 3 ? "1:a " : "1:a 2:xx", pages < 3 ? 5 : 8);
    }
    close(fd);
    journal_content_deinit(&content);
}

/* Every byte of an entry counts: of its hash, its header and its payload. */
static void a_damaged_entry_is_not_read(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    for (off_t at = 0; at < JOURNAL_HEADER_BYTES + 1; at++) {
        flip(s, at);
        assert_string_equal(entries(s, 7), "");
        assert_int_equal(generation_of(s), 0);
        flip(s, at);
    }
    assert_string_equal(entries(s, 7), "1:a ");
}

/* It was told, for another came behind it. */
static void a_damaged_entry_before_a_whole_one_is_corruption(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    append(s, 7, "b");
    append(s, 7, "c");
    int rc;
    flip(s, JOURNAL_SLOT_BYTES + JOURNAL_HEADER_BYTES);
    assert_string_equal(entries_rc(s, 7, &rc), "1:a ");
    assert_int_equal(rc, ERR_CORRUPT);
    flip(s, JOURNAL_SLOT_BYTES + JOURNAL_HEADER_BYTES);
    flip(s, 0);
    assert_string_equal(entries_rc(s, 7, &rc), "");
    assert_int_equal(rc, ERR_CORRUPT);
}

/* An entry that is copied to another slot is none. */
static void an_entry_counts_in_its_own_slot_only(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    struct journal_content content;
    assert_int_equal(journal_load(&content, s->path), 0);
    int fd = open(s->path, O_RDWR);
    assert_int_equal(pwrite(fd, content.bytes, JOURNAL_SLOT_BYTES, JOURNAL_SLOT_BYTES), JOURNAL_SLOT_BYTES);
    close(fd);
    journal_content_deinit(&content);
    assert_string_equal(entries(s, 7), "1:a ");
}

static void the_walk_ends_when_its_visitor_says_so(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    append(s, 7, "b");
    int rc;
    s->visit_rc = -EIO;
    assert_string_equal(entries_rc(s, 7, &rc), "1:a ");
    assert_int_equal(rc, -EIO);
}

static void a_missing_or_short_file_has_fewer_entries(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    append(s, 7, "b");
    assert_int_equal(truncate(s->path, JOURNAL_SLOT_BYTES + 10), 0);
    assert_string_equal(entries(s, 7), "1:a ");
    assert_int_equal(truncate(s->path, 0), 0);
    assert_string_equal(entries(s, 7), "");
    assert_int_equal(unlink(s->path), 0);
    assert_string_equal(entries(s, 7), "");
    journal_close(&s->journal);
    assert_int_equal(journal_open(&s->journal, s->path), 0);
    struct stat status;
    assert_int_equal(stat(s->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, JOURNAL_BYTES);
}

static void a_file_that_others_may_write_is_refused(void **state)
{
    struct story *s = *state;
    struct journal_content content = {0};
    assert_int_equal(chmod(s->path, 0620), 0);
    assert_int_equal(journal_load(&content, s->path), ERR_PERMISSIONS);
    journal_close(&s->journal);
    assert_int_equal(journal_open(&s->journal, s->path), ERR_PERMISSIONS);
    assert_int_equal(unlink(s->path), 0);
    assert_int_equal(symlink("/dev/null", s->path), 0);
    assert_int_equal(journal_load(&content, s->path), -ELOOP);
    assert_int_equal(journal_open(&s->journal, s->path), -ELOOP);
    assert_null(content.bytes);
    assert_int_equal(unlink(s->path), 0);
    assert_int_equal(mkdir(s->path, 0700), 0);
    assert_int_equal(journal_load(&content, s->path), ERR_PERMISSIONS);
    assert_int_equal(journal_open(&s->journal, s->path), -EISDIR);
    assert_int_equal(rmdir(s->path), 0);
}

/* There is no telling what was written but by the kernel's own word. */
static void every_write_is_synced(void **state)
{
    struct story *s = *state;
    assert_true(fcntl(s->journal.fd, F_GETFL) & O_DSYNC);
}

static bool direct_is_refused;

ssize_t __real_pwrite64(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t at)
{
    if (!direct_is_refused || !(fcntl(fd, F_GETFL) & O_DIRECT))
        return __real_pwrite64(fd, bytes, size, at);
    errno = EINVAL;
    return -1;
}

/* Its blocks may be larger than a page. */
static void a_file_system_that_wants_no_direct_writes_gets_none(void **state)
{
    struct story *s = *state;
    journal_close(&s->journal);
    direct_is_refused = true;
    int rc = journal_open(&s->journal, s->path);
    direct_is_refused = false;
    assert_int_equal(rc, 0);
    assert_int_equal(fcntl(s->journal.fd, F_GETFL) & (O_DIRECT | O_DSYNC), O_DSYNC);
    append(s, 7, "a");
    assert_string_equal(entries(s, 7), "1:a ");
}

static void a_failed_write_is_not_counted(void **state)
{
    struct story *s = *state;
    append(s, 7, "a");
    struct journal broken = s->journal;
    broken.fd = open("/dev/full", O_WRONLY);
    uint32_t index = 0;
    assert_int_equal(journal_append(&broken, 7, span_text("b"), &index), -ENOSPC);
    assert_int_equal(index, 0);
    close(broken.fd);
    broken.fd = s->journal.fd;
    assert_int_equal(journal_append(&broken, 7, span_text("c"), &index), 0);
    assert_int_equal(index, 2);
    assert_string_equal(entries(s, 7), "1:a 2:c ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(entries_come_back_in_order),
        STORY(a_new_generation_begins_at_the_first_entry),
        STORY(a_start_leaves_nothing_of_the_run_before),
        STORY(a_full_journal_and_a_large_entry_are_for_the_store),
        STORY(a_torn_entry_was_not_written),
        STORY(a_damaged_entry_is_not_read),
        STORY(a_damaged_entry_before_a_whole_one_is_corruption),
        STORY(an_entry_counts_in_its_own_slot_only),
        STORY(the_walk_ends_when_its_visitor_says_so),
        STORY(a_missing_or_short_file_has_fewer_entries),
        STORY(a_file_that_others_may_write_is_refused),
        STORY(every_write_is_synced),
        STORY(a_file_system_that_wants_no_direct_writes_gets_none),
        STORY(a_failed_write_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
