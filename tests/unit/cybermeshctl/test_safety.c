/* test_safety.c - `cybermeshctl safety`: what it prints of a good store, and the exit codes for all others. */
#include "tests/unit/consensusd/samples.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <sodium.h>

#include "common/edge/voted_mark.h"
#include "services/consensusd/safety_store.h"
#include "services/cybermeshctl/ctl.h"

enum { VIEW = 7, OUTPUT_MAX = 8192 };

static char directory[] = "/tmp/cybermeshctl-safety-XXXXXX";
static char data[64], file[80], mark[64], output_path[64];
static char output[OUTPUT_MAX];

/* The store of a validator that voted in VIEW, closed again. */
static int start(void **state)
{
    (void)state;
    if (sodium_init() < 0 || !mkdtemp(directory))
        return -1;
    snprintf(data, sizeof data, "%s/data", directory);
    snprintf(file, sizeof file, "%s/data.mdb", data);
    snprintf(mark, sizeof mark, "%s/key.voted", directory);
    snprintf(output_path, sizeof output_path, "%s/output", directory);
    struct safety_store_options options = {
        .path = data, .map_bytes_max = (uint64_t)64 << 20, .chain_id = sample_hash(0xc1), .mark_path = mark};
    memset(options.key.bytes, 0x11, sizeof options.key.bytes);
    static struct consensus_voting voting;
    voting = sample_voting(VIEW);
    struct block_header header = sample_header(VIEW, 0);
    struct hash id = sample_hash(VIEW);
    struct qc justify = sample_qc(VIEW - 1, 3);
    struct safety_store_vote vote = {.voting = &voting, .header = &header, .id = &id, .justify = &justify};
    CLEANUP(safety_store_close) struct safety_store *store = NULL;
    return safety_store_open(&store, &options) < 0 || safety_store_vote(store, &vote) < 0 ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* Run the verb; what it prints is in `output`. Returns its exit code. */
static int safety(const char *arguments[])
{
    char *argv[8] = {(char *)(uintptr_t) "safety"};
    int argc = 1;
    for (; arguments[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
    fflush(stdout);
    int screen = dup(STDOUT_FILENO), to = open(output_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(screen >= 0 && to >= 0 && dup2(to, STDOUT_FILENO) >= 0);
    int code = ctl_safety.run(argc, argv);
    fflush(stdout);
    assert_true(dup2(screen, STDOUT_FILENO) >= 0);
    ssize_t size = pread(to, output, sizeof output - 1, 0);
    close(screen);
    close(to);
    assert_true(size >= 0);
    output[size] = '\0';
    return code;
}

static int look(void)
{
    return safety((const char *[]){"--data-dir", data, "--mark", mark, "-o", "json", NULL});
}

static json_t *member(const json_t *of, const char *name)
{
    json_t *value = json_object_get(of, name);
    assert_non_null(value);
    return value;
}

static void a_good_store_is_shown(void **state)
{
    (void)state;
    assert_int_equal(look(), CTL_OK);
    json_t *out = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(out);
    assert_true(json_is_true(member(out, "checksum_ok")));
    assert_true(json_is_true(member(out, "has_voted")));
    assert_int_equal(json_integer_value(member(out, "last_voted_view")), VIEW);
    assert_int_equal(json_integer_value(member(out, "starts")), 1);
    char key[2 * SIGN_PUBLIC_BYTES + 1];
    memset(key, '1', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    assert_string_equal(json_string_value(member(out, "key")), key);
    struct consensus_voting voting = sample_voting(VIEW);
    assert_int_equal(json_integer_value(member(member(out, "last_vote"), "view")), voting.vote_view);
    assert_int_equal(json_integer_value(member(member(out, "last_vote"), "height")), voting.vote_height);
    assert_int_equal(json_integer_value(member(member(out, "high_qc"), "view")), voting.high_qc.view);
    assert_int_equal(json_array_size(member(member(out, "high_qc"), "signers")), voting.high_qc.signature_count);
    json_t *shown = member(out, "mark");
    assert_true(json_is_true(member(shown, "same_validator")));
    assert_true(json_is_false(member(shown, "ahead_of_store")));
    json_decref(out);
}

static void text_has_a_line_for_each_fact(void **state)
{
    (void)state;
    assert_int_equal(safety((const char *[]){"--data-dir", data, NULL}), CTL_OK);
    assert_non_null(strstr(output, "last_voted_view  7\n"));
    assert_non_null(strstr(output, "checksum_ok      true\n"));
    assert_null(strstr(output, "same_validator"));
}

/* A mark of another content, in the place of the right one. */
static void put_mark(uint8_t key_byte, uint64_t sequence, uint64_t last_voted_view)
{
    struct voted_mark content = {
        .chain_id = sample_hash(0xc1), .starts = 1, .sequence = sequence, .last_voted_view = last_voted_view};
    memset(content.key.bytes, key_byte, sizeof content.key.bytes);
    struct voted_mark_file to;
    (void)unlink(mark);
    assert_int_equal(voted_mark_open(&to, mark, &content), 0);
    voted_mark_close(&to);
}

static void a_store_of_another_key_or_older_than_the_mark_is_told(void **state)
{
    (void)state;
    struct voted_mark right;
    assert_int_equal(voted_mark_read(&right, mark), 0);
    put_mark(0x22, right.sequence, VIEW);
    assert_int_equal(look(), CTL_NO);
    assert_non_null(strstr(output, "\"same_validator\": false"));
    put_mark(0x11, right.sequence, VIEW + 1);
    assert_int_equal(look(), CTL_NO);
    assert_non_null(strstr(output, "\"ahead_of_store\": true"));
    put_mark(0x11, right.sequence + 1, VIEW);
    assert_int_equal(look(), CTL_NO);
    assert_int_equal(unlink(mark), 0);
    assert_int_equal(look(), CTL_NO); /* a store that was used has a mark */
    put_mark(0x11, right.sequence, VIEW);
    assert_int_equal(look(), CTL_OK);
}

static void a_missing_store_and_wrong_words_are_usage(void **state)
{
    (void)state;
    assert_int_equal(safety((const char *[]){"--data-dir", directory, NULL}), CTL_USAGE);
    assert_int_equal(safety((const char *[]){"--data-dir", "/nonexistent", NULL}), CTL_USAGE);
    assert_int_equal(safety((const char *[]){"--mark", mark, NULL}), CTL_USAGE);
    assert_int_equal(safety((const char *[]){"--data-dir", data, "-o", "yaml", NULL}), CTL_USAGE);
    assert_int_equal(safety((const char *[]){"--data-dir", data, "--data", data, NULL}), CTL_USAGE);
    assert_string_equal(output, "");
}

/* Every byte of the record counts, wherever in the file LMDB put it. */
static void a_damaged_record_is_told(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    int fd = open(file, O_RDWR);
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    assert_true(size > 0 && size < (ssize_t)sizeof bytes);
    uint8_t key[SIGN_PUBLIC_BYTES];
    memset(key, 0x11, sizeof key);
    size_t changed = 0;
    for (size_t at = 0; at + sizeof key <= (size_t)size; at++) {
        if (memcmp(bytes + at, key, sizeof key) == 0 && pwrite(fd, "\x12", 1, (off_t)at) == 1)
            changed++;
    }
    close(fd);
    assert_true(changed > 0);
    assert_int_equal(look(), CTL_NO);
    assert_string_equal(output, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_store_is_shown),
        cmocka_unit_test(text_has_a_line_for_each_fact),
        cmocka_unit_test(a_store_of_another_key_or_older_than_the_mark_is_told),
        cmocka_unit_test(a_missing_store_and_wrong_words_are_usage),
        cmocka_unit_test(a_damaged_record_is_told),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
