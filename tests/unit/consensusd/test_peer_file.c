/* test_peer_file.c - records survive a restart; a damaged file costs what is damaged, not the start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "services/consensusd/peer_file.h"

static char directory[] = "/tmp/peer-file-test-XXXXXX";
static char path[64];
static struct peer_file file;

static int make(void **state)
{
    snprintf(path, sizeof path, "%s/peers", directory);
    return 0;
}

static int unmake(void **state)
{
    unlink(path);
    return 0;
}

static void what_is_written_is_read(void **state)
{
    const struct span records[] = {span_text("one"), span_text(""), span_text("three")};
    assert_int_equal(peer_file_write(path, records, 3), 0);
    assert_int_equal(peer_file_read(&file, path), 0);
    assert_int_equal(file.record_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(span_equal(file.records[i], records[i]));
    assert_int_equal(peer_file_write(path, records, 1), 0);
    assert_int_equal(peer_file_read(&file, path), 0);
    assert_int_equal(file.record_count, 1);
}

static void no_file_is_no_records(void **state)
{
    assert_int_equal(peer_file_read(&file, path), 0);
    assert_int_equal(file.record_count, 0);
}

static void a_torn_file_gives_what_is_whole(void **state)
{
    const struct span records[] = {span_text("one"), span_text("two")};
    assert_int_equal(peer_file_write(path, records, 2), 0);
    assert_int_equal(truncate(path, 12), 0);
    assert_int_equal(peer_file_read(&file, path), 0);
    assert_int_equal(file.record_count, 1);
    static uint8_t junk[PEER_FILE_BYTES_MAX + 100];
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(junk, 1, sizeof junk, out), sizeof junk);
    fclose(out);
    assert_int_equal(peer_file_read(&file, path), 0);
    assert_int_equal(file.record_count, GENESIS_VALIDATORS_MAX); /* empty ones, no more than there is room for */
}

static void a_file_that_cannot_be_written_is_told(void **state)
{
    assert_true(peer_file_write("/nowhere/peers", NULL, 0) < 0);
    assert_true(peer_file_read(&file, directory) < 0);
}

int main(void)
{
    if (!mkdtemp(directory))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, make, unmake),
        cmocka_unit_test_setup_teardown(no_file_is_no_records, make, unmake),
        cmocka_unit_test_setup_teardown(a_torn_file_gives_what_is_whole, make, unmake),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written_is_told, make, unmake),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
