/* test_safety_codec.c - what the store keeps of blocks is read as it was written, or it is corrupt. */
#include "tests/unit/consensusd/samples.h"

#include <string.h>

#include "common/base/cert_codec.h"
#include "common/base/err.h"
#include "services/consensusd/safety_codec.h"

enum { VALUE_BYTES_MAX = 1 << 14, LEADERS = 3, PROOF_HEADERS = 2 };

static uint8_t value[VALUE_BYTES_MAX];
static struct qc qc;

static size_t put(void (*put_value)(struct bytes_writer *, const void *), const void *what)
{
    struct bytes_writer writer = bytes_writer_of(value, sizeof value);
    put_value(&writer, what);
    assert_false(writer.failed);
    return writer.size;
}

static size_t put_bodies(uint32_t tx_count, size_t body_count)
{
    static const struct span bodies[] = {{.data = (const uint8_t *)"one", .size = 3}, {.data = NULL, .size = 0}};
    const struct block_header header = sample_header(5, tx_count);
    const struct safety_codec_bodies stored = {&header, &qc, bodies, body_count};
    return put(safety_codec_put_bodies, &stored);
}

static size_t put_commit(void)
{
    static const struct schedule schedule = {.count = LEADERS, .leaders = {2, 0, 1}};
    const struct block_header proof[PROOF_HEADERS] = {sample_header(5, 2), sample_header(6, 0)};
    const struct consensus_commit commit = {.block_id = sample_hash(0x55),
                                            .header = sample_header(5, 2),
                                            .qc = &qc,
                                            .proof_headers = proof,
                                            .proof_header_count = PROOF_HEADERS,
                                            .proof_qc = &qc,
                                            .schedule = &schedule};
    return put(safety_codec_put_commit, &commit);
}

static int setup(void **state)
{
    (void)state;
    qc = sample_qc(7, 3);
    return 0;
}

static int bodies_rc(size_t size)
{
    struct safety_store_block block = {0};
    int rc = safety_codec_get_bodies(span_of(value, size), &block, /* take_justify= */ true);
    safety_store_block_deinit(&block);
    return rc;
}

static int commit_rc(size_t size)
{
    struct safety_store_block block = {0};
    int rc = safety_codec_get_commit(span_of(value, size), &block);
    safety_store_block_deinit(&block);
    return rc;
}

static void values_are_as_long_as_they_were_written(void **state)
{
    (void)state;
    size_t whole = put_bodies(2, 2);
    for (size_t size = 0; size <= whole + 1; size++)
        assert_int_equal(bodies_rc(size), size == whole ? 0 : ERR_CORRUPT);
    whole = put_commit();
    for (size_t size = 0; size <= whole + 1; size++)
        assert_int_equal(commit_rc(size), size == whole ? 0 : ERR_CORRUPT);
}

static void values_of_another_format_are_corrupt(void **state)
{
    (void)state;
    struct hash id;
    size_t size = put_bodies(2, 2);
    value[0]++;
    assert_int_equal(bodies_rc(size), ERR_CORRUPT);
    size = put_commit();
    assert_int_equal(safety_codec_commit_id(span_of(value, size), &id), 0);
    assert_int_equal(id.bytes[0], 0x55);
    value[0]++;
    assert_int_equal(commit_rc(size), ERR_CORRUPT);
    assert_int_equal(safety_codec_commit_id(span_of(value, size), &id), ERR_CORRUPT);
}

static void a_block_has_as_many_bodies_as_its_header_says(void **state)
{
    (void)state;
    assert_int_equal(bodies_rc(put_bodies(1, 1)), 0);
    assert_int_equal(bodies_rc(put_bodies(2, 1)), ERR_CORRUPT);
    assert_int_equal(bodies_rc(put_bodies(1, 2)), ERR_CORRUPT);
}

/* Counts that are too large are found before there is memory for them. */
static void counts_have_their_bounds(void **state)
{
    (void)state;
    size_t size = put_commit(), leaders = size - LEADERS - 1;
    value[leaders] = GENESIS_VALIDATORS_MAX + 1;
    memset(value + leaders + 1, 1, GENESIS_VALIDATORS_MAX + 1);
    assert_int_equal(commit_rc(leaders + 1 + GENESIS_VALIDATORS_MAX + 1), ERR_CORRUPT);
    value[leaders]--;
    assert_int_equal(commit_rc(leaders + 1 + GENESIS_VALIDATORS_MAX), 0);
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    cert_codec_put_qc(&counter, &qc);
    size = put_commit();
    memset(value + leaders - counter.size - PROOF_HEADERS * BLOCK_HEADER_BYTES - 4, 0xff, 4);
    assert_int_equal(commit_rc(size), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup(name, setup)
        STORY(values_are_as_long_as_they_were_written),
        STORY(values_of_another_format_are_corrupt),
        STORY(a_block_has_as_many_bodies_as_its_header_says),
        STORY(counts_have_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
