/* test_safety_store.c - what survives the end of the process, and what is refused at the start. */
#include "tests/unit/consensusd/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/err.h"
#include "services/consensusd/safety_store.h"

struct story {
    char directory[32];
    char path[64];
    struct safety_store *store;
    char seen[256]; /* of the blocks voted for: "height:bodies:justify view " each */
};

static const struct span bodies[] = {{.data = (const uint8_t *)"one", .size = 3}, {.data = NULL, .size = 0}};

static struct safety_store_options options_of(const struct story *s)
{
    struct safety_store_options options = {
        .path = s->path, .map_bytes_max = (uint64_t)256 << 20, .chain_id = sample_hash(0xc1)};
    memset(options.key.bytes, 0x11, sizeof options.key.bytes);
    return options;
}

static void start(struct story *s)
{
    struct safety_store_options options = options_of(s);
    assert_int_equal(safety_store_open(&s->store, &options), 0);
}

static void restart(struct story *s)
{
    safety_store_close(&s->store);
    start(s);
}

static int setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    snprintf(s->directory, sizeof s->directory, "/tmp/safety-XXXXXX");
    if (!mkdtemp(s->directory))
        return -1;
    snprintf(s->path, sizeof s->path, "%s/data", s->directory);
    start(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    safety_store_close(&s->store);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", s->directory);
    int rc = system(command);
    free(s);
    return rc;
}

/* Vote for a block; its id is sample_hash(id). */
static void vote_for(struct story *s, uint64_t height, uint8_t id, size_t body_count)
{
    struct consensus_voting voting = sample_voting(height + 10);
    struct block_header header = sample_header(height, (uint32_t)body_count);
    struct hash hash = sample_hash(id);
    struct qc justify = sample_qc(height, 3);
    struct safety_store_vote vote = {.voting = &voting,
                                     .header = &header,
                                     .id = &hash,
                                     .justify = &justify,
                                     .bodies = bodies,
                                     .body_count = body_count};
    assert_int_equal(safety_store_vote(s->store, &vote), 0);
}

static void commit(struct story *s, uint64_t height, uint8_t id, const struct span *new_bodies, size_t body_count)
{
    static struct qc qc, proof_qc;
    qc = sample_qc(height + 1, 3);
    proof_qc = sample_qc(height + 2, 3);
    struct block_header proof[] = {sample_header(height, 2), sample_header(height + 1, 0)};
    static const struct schedule schedule = {.count = 3, .leaders = {2, 0, 1}};
    struct consensus_commit commit = {.block_id = sample_hash(id),
                                      .header = sample_header(height, 2),
                                      .qc = &qc,
                                      .proof_headers = proof,
                                      .proof_header_count = 2,
                                      .proof_qc = &proof_qc,
                                      .schedule = &schedule};
    assert_int_equal(safety_store_commit(s->store, &commit, new_bodies, body_count), 0);
}

static int note(void *context, const struct safety_store_block *block)
{
    struct story *s = context;
    size_t used = strlen(s->seen);
    snprintf(s->seen + used, sizeof s->seen - used, "%llu:%zu:%llu ", (unsigned long long)block->header.height,
             block->body_count, (unsigned long long)block->qc.view);
    return 0;
}

static const char *open_blocks(struct story *s)
{
    s->seen[0] = '\0';
    assert_int_equal(safety_store_each_open(s->store, note, s), 0);
    return s->seen;
}

/* --- voting state ------------------------------------------------------------------------------------------------- */

static void a_new_store_knows_nothing(void **state)
{
    struct story *s = *state;
    struct block_header genesis;
    struct safety_store_block block;
    assert_null(safety_store_voting(s->store));
    assert_int_equal(safety_store_genesis(s->store, &genesis), ERR_NOT_FOUND);
    assert_int_equal(safety_store_height(s->store), 0);
    assert_int_equal(safety_store_read(s->store, 1, &block), ERR_NOT_FOUND);
    assert_string_equal(open_blocks(s), "");
}

static void the_voting_state_survives(void **state)
{
    struct story *s = *state;
    vote_for(s, 5, 0x55, 2);
    restart(s);
    struct consensus_voting expected = sample_voting(15), got;
    assert_non_null(safety_store_voting(s->store));
    got = *safety_store_voting(s->store);
    assert_int_equal(got.last_voted_view, expected.last_voted_view);
    assert_true(got.has_vote && got.has_timeout && got.has_tc);
    assert_int_equal(got.vote_view, expected.vote_view);
    assert_int_equal(got.vote_height, expected.vote_height);
    assert_memory_equal(&got.vote_block_id, &expected.vote_block_id, sizeof got.vote_block_id);
    assert_memory_equal(&got.vote_signature, &expected.vote_signature, SIGN_BYTES);
    assert_int_equal(got.timeout_view, expected.timeout_view);
    assert_int_equal(got.timeout_high_qc_view, expected.timeout_high_qc_view);
    sample_assert_qc(&got.high_qc, &expected.high_qc);
    sample_assert_tc(&got.high_tc, &expected.high_tc);
}

/* What was voted for is on disk when the vote returns: the process may end in any way after it. */
static void a_vote_survives_a_killed_process(void **state)
{
    struct story *s = *state;
    safety_store_close(&s->store);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        start(s);
        vote_for(s, 5, 0x55, 2);
        _exit(0); /* nothing is closed */
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    start(s);
    assert_int_equal(safety_store_voting(s->store)->last_voted_view, 15);
    assert_string_equal(open_blocks(s), "5:2:5 ");
}

static void the_genesis_header_survives(void **state)
{
    struct story *s = *state;
    struct block_header header = sample_header(1, 0), got;
    assert_int_equal(safety_store_set_genesis(s->store, &header), 0);
    restart(s);
    assert_int_equal(safety_store_genesis(s->store, &got), 0);
    sample_assert_header(&got, &header);
}

static void the_genesis_certificate_survives(void **state)
{
    struct story *s = *state;
    static uint8_t got[GENESIS_CERTIFICATE_BYTES_MAX];
    size_t size = 0;
    assert_int_equal(safety_store_certificate(s->store, got, &size), ERR_NOT_FOUND);
    assert_int_equal(safety_store_set_certificate(s->store, span_text("a certificate")), 0);
    restart(s);
    assert_int_equal(safety_store_certificate(s->store, got, &size), 0);
    assert_true(span_equal(span_of(got, size), span_text("a certificate")));
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static void blocks_voted_for_come_back_by_rising_height(void **state)
{
    struct story *s = *state;
    vote_for(s, 300, 0x63, 1);
    vote_for(s, 7, 0x61, 2);
    vote_for(s, 8, 0x62, 0);
    restart(s);
    assert_string_equal(open_blocks(s), "7:2:7 8:0:8 300:1:300 ");
}

static void a_committed_block_has_bodies_certificate_and_proof(void **state)
{
    struct story *s = *state;
    vote_for(s, 1, 0x51, 2);
    commit(s, 1, 0x51, NULL, 2); /* its bodies came with the vote */
    commit(s, 2, 0x52, bodies, 2);
    assert_int_equal(safety_store_height(s->store), 2);
    assert_int_equal(safety_store_flush(s->store), 0);
    restart(s);
    assert_int_equal(safety_store_height(s->store), 2);
    for (uint64_t height = 1; height <= 2; height++) {
        struct safety_store_block block;
        assert_int_equal(safety_store_read(s->store, height, &block), 0);
        struct block_header header = sample_header(height, 2), child = sample_header(height + 1, 0);
        struct qc qc = sample_qc(height + 1, 3), proof_qc = sample_qc(height + 2, 3);
        sample_assert_header(&block.header, &header);
        sample_assert_qc(&block.qc, &qc);
        assert_int_equal(block.id.bytes[0], 0x50 + height);
        assert_int_equal(block.body_count, 2);
        assert_true(span_equal(block.bodies[0], span_text("one")));
        assert_int_equal(block.bodies[1].size, 0);
        assert_int_equal(block.proof_header_count, 2);
        sample_assert_header(&block.proof_headers[1], &child);
        sample_assert_qc(&block.proof_qc, &proof_qc);
        assert_int_equal(block.schedule.count, 3);
        assert_memory_equal(block.schedule.leaders, "\2\0\1", 3);
        safety_store_block_deinit(&block);
    }
    assert_string_equal(open_blocks(s), "");
}

static void a_commit_waits_for_the_next_write(void **state)
{
    struct story *s = *state;
    commit(s, 1, 0x51, bodies, 2);
    restart(s); /* nothing was written since */
    assert_int_equal(safety_store_height(s->store), 0);
    commit(s, 1, 0x51, bodies, 2);
    vote_for(s, 2, 0x52, 0);
    restart(s);
    assert_int_equal(safety_store_height(s->store), 1);
}

static void reading_a_block_that_waits_writes_it_first(void **state)
{
    struct story *s = *state;
    commit(s, 1, 0x51, bodies, 2);
    struct safety_store_block block;
    assert_int_equal(safety_store_read(s->store, 1, &block), 0);
    assert_int_equal(block.body_count, 2);
    safety_store_block_deinit(&block);
}

/* Bodies that stayed would make the block whole when it is committed without them. */
static void assert_no_bodies(struct story *s, uint64_t height, uint8_t id)
{
    struct safety_store_block block;
    commit(s, height, id, NULL, 2);
    assert_int_equal(safety_store_read(s->store, height, &block), ERR_CORRUPT);
}

static void an_abandoned_block_is_forgotten_with_the_next_write(void **state)
{
    struct story *s = *state;
    vote_for(s, 5, 0x55, 2);
    vote_for(s, 5, 0x56, 1);
    struct hash id = sample_hash(0x55);
    assert_int_equal(safety_store_forget(s->store, &id, 5), 0);
    assert_int_equal(safety_store_flush(s->store), 0);
    restart(s);
    assert_string_equal(open_blocks(s), "5:1:5 ");
    assert_no_bodies(s, 5, 0x55);
}

/* FORGET may have been lost: what is not above the last committed block is no news. */
static void blocks_at_or_below_the_committed_height_do_not_come_back(void **state)
{
    struct story *s = *state;
    vote_for(s, 1, 0x41, 1);
    vote_for(s, 1, 0x51, 2);
    vote_for(s, 2, 0x52, 0);
    commit(s, 1, 0x51, NULL, 2);
    assert_int_equal(safety_store_flush(s->store), 0);
    restart(s);
    assert_string_equal(open_blocks(s), "2:0:2 ");
    assert_int_equal(safety_store_flush(s->store), 0);
    struct safety_store_block block;
    assert_int_equal(safety_store_read(s->store, 1, &block), 0); /* its bodies are still there */
    safety_store_block_deinit(&block);
    assert_no_bodies(s, 1, 0x41);
}

/* Then it is written, though nobody asked for it yet. */
static void what_waits_is_written_when_there_is_no_more_room(void **state)
{
    struct story *s = *state;
    enum { COUNT = 1500 }; /* of three operations each, and 4096 may wait */
    for (uint64_t height = 1; height <= COUNT; height++)
        commit(s, height, (uint8_t)height, bodies, 2);
    assert_int_equal(safety_store_flush(s->store), 0);
    restart(s);
    assert_int_equal(safety_store_height_first(s->store), 1);
    assert_int_equal(safety_store_height(s->store), COUNT);
}

static void many_abandoned_blocks_do_not_stop_the_start(void **state)
{
    struct story *s = *state;
    enum { COUNT = 200 };
    for (uint64_t height = 1; height <= COUNT; height++)
        vote_for(s, height, (uint8_t)height, 0);
    restart(s);
    s->seen[0] = '\0';
    assert_int_equal(safety_store_each_open(s->store, note, s), 0);
    assert_memory_equal(s->seen, "1:0:1 2:0:2 ", 12);
}

/* It has no room in the journal. */
static void a_vote_for_a_large_block_survives(void **state)
{
    struct story *s = *state;
    static const uint8_t body[64 << 10] = {1};
    struct consensus_voting voting = sample_voting(15);
    struct block_header header = sample_header(5, 1);
    struct hash id = sample_hash(0x55);
    struct qc justify = sample_qc(5, 3);
    const struct span large = span_of(body, sizeof body);
    vote_for(s, 4, 0x54, 1);
    commit(s, 4, 0x54, NULL, 1);
    struct safety_store_vote vote = {
        .voting = &voting, .header = &header, .id = &id, .justify = &justify, .bodies = &large, .body_count = 1};
    assert_int_equal(safety_store_vote(s->store, &vote), 0);
    restart(s);
    assert_int_equal(safety_store_voting(s->store)->last_voted_view, 15);
    assert_int_equal(safety_store_height(s->store), 4);
    assert_string_equal(open_blocks(s), "5:1:5 ");
}

/* What is shown is what was told, wherever it is written. */
static void blocks_voted_for_are_shown_at_once(void **state)
{
    struct story *s = *state;
    vote_for(s, 5, 0x55, 2);
    assert_string_equal(open_blocks(s), "5:2:5 ");
}

/* --- pruning ------------------------------------------------------------------------------------------------------ */

static void commit_up_to(struct story *s, uint64_t last)
{
    for (uint64_t height = 1; height <= last; height++)
        commit(s, height, (uint8_t)height, bodies, 2);
    assert_int_equal(safety_store_flush(s->store), 0);
}

/* Is the block here, whole? */
static bool has(struct story *s, uint64_t height)
{
    struct safety_store_block block;
    int rc = safety_store_read(s->store, height, &block);
    assert_true(rc == 0 || rc == ERR_NOT_FOUND);
    if (rc == 0)
        safety_store_block_deinit(&block);
    return rc == 0;
}

static void blocks_below_a_height_leave_with_their_bodies(void **state)
{
    struct story *s = *state;
    commit_up_to(s, 9);
    assert_int_equal(safety_store_height_first(s->store), 1);
    assert_int_equal(safety_store_prune(s->store, 5, 100), 0);
    assert_int_equal(safety_store_height_first(s->store), 5);
    assert_int_equal(safety_store_flush(s->store), 0);
    restart(s);
    assert_int_equal(safety_store_height_first(s->store), 5);
    for (uint64_t height = 1; height <= 9; height++)
        assert_int_equal(has(s, height), height >= 5);
    assert_no_bodies(s, 4, 4);
}

static void blocks_that_wait_to_be_written_leave_with_their_bodies(void **state)
{
    struct story *s = *state;
    commit_up_to(s, 5);
    for (uint64_t height = 6; height <= 9; height++)
        commit(s, height, (uint8_t)height, bodies, 2);
    assert_int_equal(safety_store_prune(s->store, 8, 100), 0);
    assert_int_equal(safety_store_flush(s->store), 0);
    assert_false(has(s, 7));
    assert_true(has(s, 8));
    assert_no_bodies(s, 7, 7);
}

static void so_many_leave_at_a_time_and_the_rest_later(void **state)
{
    struct story *s = *state;
    commit_up_to(s, 20);
    for (uint64_t first = 4; first <= 16; first += 3) {
        assert_int_equal(safety_store_prune(s->store, 17, 3), 0);
        assert_int_equal(safety_store_height_first(s->store), first);
        assert_int_equal(safety_store_flush(s->store), 0);
        assert_false(has(s, first - 1));
        assert_true(has(s, first));
    }
    assert_int_equal(safety_store_prune(s->store, 17, 3), 0);
    assert_int_equal(safety_store_prune(s->store, 17, 3), 0);
    assert_int_equal(safety_store_height_first(s->store), 17);
}

static void the_last_block_never_leaves(void **state)
{
    struct story *s = *state;
    assert_int_equal(safety_store_prune(s->store, 10, 100), 0);
    commit_up_to(s, 3);
    assert_int_equal(safety_store_prune(s->store, 10, 100), 0);
    assert_int_equal(safety_store_flush(s->store), 0);
    restart(s);
    assert_int_equal(safety_store_height_first(s->store), 3);
    assert_int_equal(safety_store_height(s->store), 3);
    assert_true(has(s, 3));
    commit(s, 4, 4, bodies, 2);
    assert_true(has(s, 4));
}

/* A crash before the next write loses the removal whole: all blocks are there again. */
static void a_removal_that_was_not_written_has_not_happened(void **state)
{
    struct story *s = *state;
    commit_up_to(s, 9);
    assert_int_equal(safety_store_prune(s->store, 5, 100), 0);
    restart(s); /* closes without a flush */
    assert_int_equal(safety_store_height_first(s->store), 1);
    assert_true(has(s, 1));
}

/* --- refusals ----------------------------------------------------------------------------------------------------- */

static void the_store_of_another_validator_or_network_is_refused(void **state)
{
    struct story *s = *state;
    safety_store_close(&s->store);
    struct safety_store_options options = options_of(s);
    options.key.bytes[31] ^= 1;
    assert_int_equal(safety_store_open(&s->store, &options), ERR_CONFIG);
    assert_null(s->store);
    options = options_of(s);
    options.chain_id.bytes[0] ^= 1;
    assert_int_equal(safety_store_open(&s->store, &options), ERR_CONFIG);
    assert_null(s->store);
    start(s);
}

static int see_evidence(void *context, struct span body)
{
    struct story *s = context;
    size_t used = strlen(s->seen);
    snprintf(s->seen + used, sizeof s->seen - used, "%.*s ", (int)body.size, (const char *)body.data);
    return 0;
}

static void assert_evidence(struct story *s, const char *expected)
{
    s->seen[0] = '\0';
    assert_int_equal(safety_store_each_evidence(s->store, see_evidence, s), 0);
    assert_string_equal(s->seen, expected);
}

static void proofs_of_equivocation_stay_until_they_are_dropped(void **state)
{
    struct story *s = *state;
    struct hash one = sample_hash(1), two = sample_hash(2);
    assert_evidence(s, "");
    assert_int_equal(safety_store_put_evidence(s->store, &two, span_text("second")), 0);
    assert_int_equal(safety_store_put_evidence(s->store, &one, span_text("first")), 0);
    restart(s); /* without a flush: each was written at once */
    assert_evidence(s, "first second ");
    assert_int_equal(safety_store_put_evidence(s->store, &one, span_text("other")), 0);
    assert_int_equal(safety_store_drop_evidence(s->store, &two), 0);
    assert_int_equal(safety_store_flush(s->store), 0);
    restart(s);
    assert_evidence(s, "other ");
    assert_int_equal(safety_store_drop_evidence(s->store, &two), 0);
    assert_int_equal(safety_store_flush(s->store), 0);
    assert_evidence(s, "other ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(a_new_store_knows_nothing),
        STORY(the_voting_state_survives),
        STORY(a_vote_survives_a_killed_process),
        STORY(the_genesis_header_survives),
        STORY(the_genesis_certificate_survives),
        STORY(blocks_voted_for_come_back_by_rising_height),
        STORY(a_committed_block_has_bodies_certificate_and_proof),
        STORY(a_commit_waits_for_the_next_write),
        STORY(reading_a_block_that_waits_writes_it_first),
        STORY(an_abandoned_block_is_forgotten_with_the_next_write),
        STORY(blocks_at_or_below_the_committed_height_do_not_come_back),
        STORY(many_abandoned_blocks_do_not_stop_the_start),
        STORY(a_vote_for_a_large_block_survives),
        STORY(blocks_voted_for_are_shown_at_once),
        STORY(what_waits_is_written_when_there_is_no_more_room),
        STORY(blocks_below_a_height_leave_with_their_bodies),
        STORY(blocks_that_wait_to_be_written_leave_with_their_bodies),
        STORY(so_many_leave_at_a_time_and_the_rest_later),
        STORY(the_last_block_never_leaves),
        STORY(a_removal_that_was_not_written_has_not_happened),
        STORY(proofs_of_equivocation_stay_until_they_are_dropped),
        STORY(the_store_of_another_validator_or_network_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
