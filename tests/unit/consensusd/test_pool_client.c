/* test_pool_client.c - what mempoold is asked, and which of its answers count. */
#include "tests/unit/consensusd/shell_rig.h"

#include "common/base/tx.h"

enum { HEIGHT = 5, BODIES_MAX = 4 };

#define POOL(name) CYBERMESH__POOL__V1__POOL_FRAME__BODY_##name

static int start(void **state)
{
    (void)state;
    shell_start();
    shell.genesis.parameters.block_max_txs = BODIES_MAX - 1;
    shell.daemon->executor = EXECUTOR_LIVE;
    return 0;
}

static void build(void)
{
    const struct hash excluded[] = {sample_hash(1), sample_hash(2)};
    const struct consensus_build what = {
        .view = 9, .height = HEIGHT, .with_txs = true, .excluded = excluded, .excluded_count = 2};
    shell_forget();
    stages_build(shell.daemon, &what);
}

static struct hash check(uint32_t tx_count)
{
    static const struct hash tx_ids[BODIES_MAX];
    struct consensus_check what = {.header = sample_header(HEIGHT, tx_count), .tx_ids = tx_ids};
    what.block_id = block_id(&what.header);
    what.header.proposer = shell.genesis.validators[2].id;
    shell_forget();
    stages_check(shell.daemon, &what);
    return what.block_id;
}

static const struct job *job_under_way(void)
{
    return &shell.daemon->jobs[0];
}

static ProtobufCBinaryData *lend_bodies(void)
{
    static ProtobufCBinaryData bodies[BODIES_MAX];
    for (size_t i = 0; i < BODIES_MAX; i++)
        bodies[i] = LOAN("body", i + 1);
    return bodies;
}

static void batch(uint64_t request, size_t count)
{
    pool_pb frame;
    Cybermesh__Pool__V1__Batch answer;
    cybermesh__pool__v1__pool_frame__init(&frame);
    cybermesh__pool__v1__batch__init(&answer);
    answer.request = request;
    answer.n_bodies = count;
    answer.bodies = lend_bodies();
    frame.body_case = POOL(BATCH);
    frame.batch = &answer;
    shell_pool_says(&frame);
}

static void resolved(uint64_t request, size_t count)
{
    pool_pb frame;
    Cybermesh__Pool__V1__Resolved answer;
    cybermesh__pool__v1__pool_frame__init(&frame);
    cybermesh__pool__v1__resolved__init(&answer);
    answer.request = request;
    answer.n_bodies = count;
    answer.bodies = lend_bodies();
    frame.body_case = POOL(RESOLVED);
    frame.resolved = &answer;
    shell_pool_says(&frame);
}

static Cybermesh__Pool__V1__TakeBatch *taken(pool_pb **frame)
{
    *frame = shell_pool_sent(POOL(TAKE_BATCH), 0);
    assert_non_null(*frame);
    return (*frame)->take_batch;
}

/* What uncommitted blocks have is not taken again, and nothing that a block has no room for. */
static void a_block_takes_what_fits_and_is_in_no_other(void **state)
{
    (void)state;
    pool_pb *frame = NULL;
    build();
    const Cybermesh__Pool__V1__TakeBatch *take = taken(&frame);
    assert_int_equal(take->tx_count_max, BODIES_MAX - 1);
    assert_int_equal(take->tx_bytes_max, shell.genesis.parameters.block_max_bytes);
    assert_int_equal(take->n_excluded_block_ids, 2);
    assert_int_equal(take->excluded_block_ids[1].data[0], 2);
    assert_false(take->oldest);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
}

/* Those that waited longest: they are what the pacemaker is about. */
static void the_oldest_are_looked_at_again(void **state)
{
    (void)state;
    const struct hash parent = sample_hash(3);
    pool_pb *frame = NULL;
    stages_recheck(shell.daemon, &parent, 1);
    const Cybermesh__Pool__V1__TakeBatch *take = taken(&frame);
    assert_int_equal(take->tx_count_max, RECHECK_TXS);
    assert_true(take->oldest);
    assert_int_equal(take->n_excluded_block_ids, 0);
    batch(take->request, 0);
    assert_int_equal(shell.event.type, CONSENSUS_RECHECKED);
    assert_int_equal(shell.event.u.rechecked.live_count, 0);
    assert_true(hash_equal(&shell.event.u.rechecked.parent_id, &parent));
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
}

static void a_batch_is_taken_once_for_its_question_and_within_the_bound(void **state)
{
    (void)state;
    build();
    uint64_t request = job_under_way()->request;
    batch(request + 1, 2);
    batch(request, BODIES_MAX);
    assert_int_equal(job_under_way()->stage, JOB_POOL);
    batch(request, 2);
    assert_int_equal(job_under_way()->stage, JOB_EXECUTE);
    request = job_under_way()->request;
    batch(request, 1); /* it is executord that is asked now */
    assert_int_equal(job_under_way()->body_count, 2);
    assert_int_equal(job_under_way()->request, request);
}

static void bodies_are_those_of_the_question_all_of_them(void **state)
{
    (void)state;
    const struct hash id = check(2);
    pool_pb *frame = shell_pool_sent(POOL(RESOLVE), 0);
    assert_int_equal(frame->resolve->proposer, 2);
    assert_false(frame->resolve->own_block);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
    uint64_t request = job_under_way()->request;
    resolved(request + 1, 2);
    resolved(request, 1);
    resolved(request, 3);
    assert_null(block_cache_find(shell.daemon->cache, &id));
    assert_int_equal(job_under_way()->stage, JOB_POOL);
    resolved(request, 2);
    assert_int_equal(block_cache_find(shell.daemon->cache, &id)->body_count, 2);
    assert_int_equal(job_under_way()->stage, JOB_EXECUTE);
}

/* Only what the committed state refuses; an index that is none of the question's names nothing. */
static void what_is_refused_for_good_leaves_the_pool(void **state)
{
    (void)state;
    build();
    batch(job_under_way()->request, 2);
    shell_forget();
    Cybermesh__Execution__V1__RefusedTx refused[3], *list[3];
    for (uint32_t i = 0; i < 3; i++) {
        cybermesh__execution__v1__refused_tx__init(&refused[i]);
        refused[i].index = i;
        refused[i].reason = 5;
        refused[i].settled = i > 0;
        list[i] = &refused[i];
    }
    pool_client_dropped(shell.daemon, job_under_way(), list, 3);
    pool_pb *frame = shell_pool_sent(POOL(DROPPED), 0);
    assert_non_null(frame);
    assert_int_equal(frame->dropped->n_txs, 1);
    assert_memory_equal(frame->dropped->txs[0]->tx_id.data, job_under_way()->tx_ids[1].bytes, HASH_BYTES);
    assert_int_equal(frame->dropped->txs[0]->reason, 5);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, start, shell_stop)
        STORY(a_block_takes_what_fits_and_is_in_no_other),
        STORY(the_oldest_are_looked_at_again),
        STORY(a_batch_is_taken_once_for_its_question_and_within_the_bound),
        STORY(bodies_are_those_of_the_question_all_of_them),
        STORY(what_is_refused_for_good_leaves_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
