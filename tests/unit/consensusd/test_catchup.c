/* test_catchup.c - asking for what is missing, and believing nothing that is not proved. */
#include "tests/unit/consensusd/core_rig.h"

enum { CHAIN = 4 };

static struct rig rig;
static struct rig_block chain[CHAIN];
static struct qc certificates[CHAIN];

/* Four certified blocks that the core has not seen. */
static int start(void **state)
{
    (void)state;
    rig_start(&rig, 5, NULL);
    struct qc justify = rig_genesis_qc(&rig);
    for (uint32_t i = 0; i < CHAIN; i++) {
        chain[i] = rig_block(&rig, i ? &chain[i - 1] : &rig.root, &justify, i + 1, 1);
        certificates[i] = rig_qc(&rig, &chain[i], rig_others(&rig));
        justify = certificates[i];
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    return 0;
}

/* Somebody shows the highest certificate; wait until the core asks. Returns whom. */
static uint32_t fall_behind(void)
{
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[CHAIN - 1], NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0);
    for (int i = 0; i < 100 && rig_count(&rig, CONSENSUS_SYNC) == 0; i++)
        rig_tick(&rig, 10);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
    return rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
}

static void answer(uint32_t sender, size_t count)
{
    struct consensus_certified blocks[CHAIN];
    for (size_t i = 0; i < count; i++)
        blocks[i] =
            (struct consensus_certified){.header = chain[i].header, .tx_ids = chain[i].tx_ids, .qc = &certificates[i]};
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = sender, .u.synced = {.blocks = blocks, .count = count}});
}

static void who_showed_the_certificate_is_asked_first(void **state)
{
    (void)state;
    assert_int_equal(fall_behind(), rig_leader(&rig, 1));
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.height_first, 1);
    assert_true(rig_status(&rig).behind);
}

static void without_an_answer_another_is_asked_later_each_time(void **state)
{
    (void)state;
    fall_behind();
    const uint64_t wait_ms_max = CONSENSUS_SYNC_RETRY_MS << 6;
    uint64_t wait_ms = CONSENSUS_SYNC_RETRY_MS;
    uint32_t asked = 0;
    for (int i = 0; i < 10; i++) {
        rig_tick(&rig, wait_ms - 1);
        assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0);
        rig_tick(&rig, 1);
        assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
        uint32_t peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
        assert_true(peer != rig.self && peer < RIG_VALIDATORS);
        asked |= 1u << peer;
        wait_ms = wait_ms < wait_ms_max ? 2 * wait_ms : wait_ms_max;
    }
    assert_true((asked & (asked - 1)) != 0);
}

static void proved_blocks_are_executed_and_committed(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    answer(peer, CHAIN);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0); /* there is no more */
    size_t committed = 0;
    for (size_t i = 0; i < CHAIN; i++) {
        rig_checked(&rig, &chain[i], true);
        for (size_t n = 0; n < rig_count(&rig, CONSENSUS_COMMIT); n++, committed++)
            assert_memory_equal(&rig_effect(&rig, CONSENSUS_COMMIT, n)->u.commit.block_id, &chain[committed].id,
                                HASH_BYTES);
        assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 0);
    }
    assert_int_equal(committed, CHAIN - 1);
    assert_false(rig_status(&rig).behind);
}

static void a_block_without_its_certificate_is_refused(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    certificates[0] = certificates[1]; /* another block's */
    answer(peer, CHAIN);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    certificates[0] = rig_qc(&rig, &chain[0], 0x7); /* too few */
    answer(peer, CHAIN);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    certificates[0] = rig_qc(&rig, &chain[0], rig_others(&rig));
    certificates[0].signatures[0].signature.bytes[9] ^= 1;
    answer(peer, CHAIN);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    struct rig_block higher = chain[0];
    higher.header.height++;
    certificates[0] = rig_qc(&rig, &higher, rig_others(&rig)); /* its own id, of another height */
    answer(peer, CHAIN);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
}

/* The certificate is good and of the same view, but it is another block's: its leader made two. */
static void a_twin_of_a_certified_block_is_refused(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    struct qc genesis = rig_genesis_qc(&rig);
    chain[0] = rig_block(&rig, &rig.root, &genesis, 1, 2);
    answer(peer, 1);
    assert_int_equal(rig_count(&rig, CONSENSUS_CHECK), 0);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
    assert_int_equal(rig_status(&rig).counters.dropped_bad, 1);
}

static void a_block_that_its_parents_view_does_not_justify_is_refused(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    chain[1].header.justify_view = 0;
    rig_reseal(&chain[1]);
    certificates[1] = rig_qc(&rig, &chain[1], rig_others(&rig));
    answer(peer, 2);
    assert_int_equal(rig_status(&rig).blocks_held, 2);
    assert_int_equal(rig_status(&rig).counters.dropped_unlinked, 1);
}

/* Whatever a quorum signed: heights rise by one, views rise, and the chain is ours. */
static void a_certified_block_that_does_not_fit_its_parent_is_refused(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    const struct rig_block second = chain[1];
    for (uint32_t i = 0; i < 3; i++) {
        chain[1] = second;
        chain[1].header.height += i == 0;
        chain[1].header.chain_id.bytes[3] ^= i == 1;
        chain[1].header.view -= i == 2;
        rig_reseal(&chain[1]);
        certificates[1] = rig_qc(&rig, &chain[1], rig_others(&rig));
        answer(peer, 2);
        assert_int_equal(rig_status(&rig).blocks_held, 2);
        assert_int_equal(rig_status(&rig).counters.dropped_unlinked, i + 1);
        while (rig_count(&rig, CONSENSUS_SYNC) == 0)
            rig_tick(&rig, 100);
        peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    }
}

static void a_block_with_other_transactions_is_refused(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    chain[0].tx_ids[0].bytes[7] ^= 1;
    answer(peer, CHAIN);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
    assert_int_equal(rig_status(&rig).counters.dropped_unlinked, 1);
}

static void answers_of_others_and_unasked_ones_are_ignored(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &genesis, NULL); /* would be asked first */
    answer(rig_leader(&rig, 1), CHAIN);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
    uint32_t peer = fall_behind();
    answer(peer == rig_leader(&rig, 1) ? rig_leader(&rig, 2) : rig_leader(&rig, 1), CHAIN);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
}

static void the_next_part_is_asked_for_where_the_last_ended(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    answer(peer, 2);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.height_first, 3);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer, peer);
}

/* One block per answer, and each answer takes longer than the first patience: over a narrow link, say. */
static void slow_answers_are_waited_for(void **state)
{
    (void)state;
    enum { ANSWER_MS = 1500, STEP_MS = 50 };
    uint32_t peer = fall_behind();
    uint64_t height = 1;
    long due_ms = ANSWER_MS;
    for (int i = 0; i < 600 && rig_status(&rig).blocks_held < CHAIN + 1; i++) {
        rig_tick(&rig, STEP_MS);
        due_ms -= STEP_MS;
        if (rig_count(&rig, CONSENSUS_SYNC) == 0 && due_ms <= 0 && due_ms > -STEP_MS) {
            struct consensus_certified block = {.header = chain[height - 1].header,
                                                .tx_ids = chain[height - 1].tx_ids,
                                                .qc = &certificates[height - 1]};
            rig_step(&rig, &(struct consensus_event){
                               .type = CONSENSUS_SYNCED, .sender = peer, .u.synced = {.blocks = &block, .count = 1}});
        }
        if (rig_count(&rig, CONSENSUS_SYNC) > 0) {
            const struct consensus_effect *effect = rig_effect(&rig, CONSENSUS_SYNC, 0);
            peer = effect->u.sync.peer;
            height = effect->u.sync.height_first;
            due_ms = ANSWER_MS;
        }
    }
    assert_int_equal(rig_status(&rig).blocks_held, CHAIN + 1);
}

static void answer_with(uint32_t sender, size_t index)
{
    struct consensus_certified block = {
        .header = chain[index].header, .tx_ids = chain[index].tx_ids, .qc = &certificates[index]};
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = sender, .u.synced = {.blocks = &block, .count = 1}});
}

/* How long it takes until the next question, from now; the validator that it goes to. */
static uint64_t next_question(uint32_t *peer)
{
    uint64_t ms = 0;
    do {
        rig_tick(&rig, 10);
        ms += 10;
    } while (rig_count(&rig, CONSENSUS_SYNC) == 0);
    *peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    return ms;
}

/* An answer within a quarter of the time halves it for the next one; a later one leaves it as it is. */
static void patience_follows_the_answers(void **state)
{
    (void)state;
    enum { LONG_MS = CONSENSUS_SYNC_RETRY_MS << 3 };
    uint32_t peer = fall_behind();
    for (uint64_t ms = CONSENSUS_SYNC_RETRY_MS; ms < LONG_MS; ms *= 2)
        assert_int_equal(next_question(&peer), ms);
    rig_tick(&rig, LONG_MS / 2);
    answer_with(peer, 0);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
    rig_tick(&rig, LONG_MS / 8);
    answer_with(peer, 1);
    assert_int_equal(next_question(&peer), LONG_MS / 2);
    assert_int_equal(next_question(&peer), LONG_MS);
}

/* What came before is over: the next time somebody shows something new it is asked, and for what is above the root. */
static void who_has_caught_up_begins_anew(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    next_question(&peer);
    answer(peer, CHAIN);
    for (size_t i = 0; i < CHAIN; i++)
        rig_checked(&rig, &chain[i], true);
    assert_false(rig_status(&rig).behind);
    struct rig_block next = rig_block(&rig, &chain[CHAIN - 1], &certificates[CHAIN - 1], CHAIN + 1, 1);
    struct qc qc = rig_qc(&rig, &next, rig_others(&rig));
    for (uint64_t i = 1; i <= 4; i++) {
        if (rig_leader(&rig, i) == peer)
            continue;
        rig_heartbeat(&rig, rig_leader(&rig, i), &qc, NULL);
        assert_int_equal(next_question(&peer), CONSENSUS_SYNC_RETRY_MS);
        assert_int_equal(peer, rig_leader(&rig, i));
        assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.height_first, CHAIN);
        return;
    }
}

/* The peer has no blocks below this height. */
static void answer_pruned(uint32_t sender, uint64_t height_lowest)
{
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = sender, .u.synced = {.height_lowest = height_lowest}});
}

/* The validator that is asked now, as a bit; 0: none. */
static uint32_t asked(void)
{
    const struct consensus_effect *effect = rig_effect(&rig, CONSENSUS_SYNC, 0);
    return effect ? 1u << effect->u.sync.peer : 0;
}

static void who_has_pruned_the_block_is_left_and_another_is_asked_at_once(void **state)
{
    (void)state;
    uint32_t said = 0, peer = fall_behind();
    for (uint32_t i = 1; i < RIG_VALIDATORS - 1; i++) {
        said |= 1u << peer;
        answer_pruned(peer, 2);
        assert_int_equal(rig_status(&rig).pruned_by, said);
        assert_int_equal(rig_status(&rig).sync_height, 1);
        assert_true(asked() != 0 && (asked() & said) == 0);
        assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.height_first, 1);
        peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    }
    answer(peer, CHAIN);
    assert_int_equal(rig_status(&rig).blocks_held, CHAIN + 1);
    /* They have what comes next. */
    assert_int_equal(rig_status(&rig).pruned_by, 0);
}

/* It answered, so who comes after it is waited for no longer. Whose lowest block is the one that is asked for has it.
 */
static void who_has_pruned_the_block_takes_no_time(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    answer_pruned(peer, 2);
    assert_int_equal(next_question(&peer), CONSENSUS_SYNC_RETRY_MS);
    answer_pruned(peer, 1);
    assert_int_equal(__builtin_popcountll(rig_status(&rig).pruned_by), 1);
    assert_int_equal(rig_status(&rig).pruned_by >> peer & 1, 0);
}

static void nobody_is_pressed_for_what_all_have_pruned(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    for (uint32_t i = 1; i < RIG_VALIDATORS - 1; i++) {
        answer_pruned(peer, 2);
        peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    }
    answer_pruned(peer, 2);
    assert_int_equal(asked(), 0);
    assert_int_equal(rig_status(&rig).pruned_by, rig_others(&rig));
    size_t asked_count = 0;
    for (uint64_t ms = 0; ms < 30000; ms += 10) {
        rig_tick(&rig, 10);
        while (asked()) {
            asked_count++;
            answer_pruned(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer, 2);
        }
    }
    /* 200 ms x 2^k: 200, 400, .. 12 800. */
    assert_in_range(asked_count, 2, 8);
    assert_int_equal(rig_status(&rig).pruned_by, rig_others(&rig));
}

static void a_store_that_was_brought_back_is_used(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    for (uint32_t i = 1; i < RIG_VALIDATORS; i++) {
        answer_pruned(peer, 2);
        if (asked())
            peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    }
    while (!asked())
        rig_tick(&rig, 10);
    peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    answer_pruned(peer, 1); /* and empty */
    assert_int_equal(rig_status(&rig).pruned_by, rig_others(&rig) & ~(1u << peer));
    while (!asked())
        rig_tick(&rig, 10);
    assert_int_equal(asked(), 1u << peer);
    answer(peer, CHAIN);
    assert_int_equal(rig_status(&rig).blocks_held, CHAIN + 1);
}

/* Half of the room is taken: the next range is asked for in the step in which a commit makes room, not after a while.
 */
static void what_comes_next_is_asked_for_as_soon_as_there_is_room(void **state)
{
    (void)state;
    enum { LONG = CONSENSUS_BLOCKS_MAX / 2 + 20, ANSWER = CONSENSUS_BLOCKS_MAX / 2 };
    static struct rig_block blocks[LONG];
    static struct qc qcs[LONG];
    static struct consensus_certified list[ANSWER];
    struct qc justify = rig_genesis_qc(&rig);
    for (uint32_t i = 0; i < LONG; i++) {
        blocks[i] = rig_block(&rig, i ? &blocks[i - 1] : &rig.root, &justify, i + 1, 1);
        qcs[i] = justify = rig_qc(&rig, &blocks[i], rig_others(&rig));
        if (i < ANSWER)
            list[i] =
                (struct consensus_certified){.header = blocks[i].header, .tx_ids = blocks[i].tx_ids, .qc = &qcs[i]};
    }
    rig_heartbeat(&rig, rig_leader(&rig, 1), &qcs[LONG - 1], NULL);
    while (!asked())
        rig_tick(&rig, 10);
    uint32_t peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = peer, .u.synced = {.blocks = list, .count = ANSWER}});
    assert_int_equal(rig_status(&rig).blocks_held, ANSWER + 1);
    assert_int_equal(asked(), 0);
    rig_checked(&rig, &blocks[0], true); /* committed: one fewer, which is half of the room still */
    assert_int_equal(rig_count(&rig, CONSENSUS_COMMIT), 1);
    assert_int_equal(asked(), 0);
    rig_checked(&rig, &blocks[1], true);
    assert_int_equal(asked(), 1u << peer);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.height_first, ANSWER + 1);
    rig_checked(&rig, &blocks[2], true); /* once */
    assert_int_equal(asked(), 0);
}

/* Its bodies may be missing here, and others have them. */
static void a_block_that_is_not_executed_for_a_second_is_asked_for(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_propose(&rig, &chain[0], &genesis, NULL);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[0], NULL);
    rig_tick(&rig, 900);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0);
    rig_tick(&rig, 200);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
}

/* While the question was under way a block was committed: what follows it in the answer is used. */
static void an_answer_may_begin_with_what_is_committed(void **state)
{
    (void)state;
    struct consensus_voting voting = {.last_voted_view = 2, .high_qc = certificates[1]};
    rig_restart(&rig, &chain[1], &voting);
    uint32_t peer = fall_behind();
    answer(peer, CHAIN); /* the first block is below the root */
    assert_int_equal(rig_status(&rig).blocks_held, CHAIN - 1);
    assert_int_equal(rig_status(&rig).counters.dropped_unlinked, 0);
}

/* Blocks may be committed by certificates that the voting state did not keep. */
static void a_certificate_below_the_root_is_nothing_to_ask_for(void **state)
{
    (void)state;
    struct consensus_voting voting = {.last_voted_view = 1, .high_qc = certificates[0]};
    rig_restart(&rig, &chain[2], &voting);
    for (int i = 0; i < 50; i++) {
        rig_tick(&rig, 100);
        assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0);
        assert_false(rig_status(&rig).behind);
    }
}

/* A late or lying answer begins above a block from the store whose certificate nobody has shown. Its child's makes it
 * final all the same; what is built on it is written without the certificate that is not here.
 */
static void an_answer_above_a_block_without_its_certificate_ends_nothing(void **state)
{
    (void)state;
    rig_step(&rig, &(struct consensus_event){.type = CONSENSUS_RESTORED,
                                             .u.restored = {.header = chain[0].header, .tx_ids = chain[0].tx_ids}});
    rig_checked(&rig, &chain[0], true);
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[1], NULL);
    for (int i = 0; i < 100 && rig_count(&rig, CONSENSUS_SYNC) == 0; i++)
        rig_tick(&rig, 10);
    uint32_t peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    struct consensus_certified block = {.header = chain[1].header, .tx_ids = chain[1].tx_ids, .qc = &certificates[1]};
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = peer, .u.synced = {.blocks = &block, .count = 1}});
    assert_int_equal(rig_status(&rig).committed_height, 1);
    rig_checked(&rig, &chain[1], true);
    rig_accept(&rig, &chain[2], &certificates[1], NULL);
    assert_int_equal(rig_count(&rig, CONSENSUS_SEND_VOTE), 1);
    rig_assert_persisted_first(&rig, CONSENSUS_SEND_VOTE);
    const struct consensus_effect *written = rig_effect(&rig, CONSENSUS_PERSIST, 0);
    assert_true(hash_equal(written->u.persist.block_id, &chain[1].id));
    assert_null(written->u.persist.justify);
    written = rig_effect(&rig, CONSENSUS_PERSIST, 1);
    assert_true(hash_equal(written->u.persist.block_id, &chain[2].id));
    assert_int_equal(written->u.persist.justify->view, certificates[1].view);
}

static void who_proposes_on_an_unknown_block_is_asked_for_it(void **state)
{
    (void)state;
    struct rig_block next = rig_block(&rig, &chain[1], &certificates[1], 3, 0);
    rig_propose(&rig, &next, &certificates[1], NULL);
    for (int i = 0; i < 100 && rig_count(&rig, CONSENSUS_SYNC) == 0; i++)
        rig_tick(&rig, 10);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer, rig_leader(&rig, 3));
}

static void the_clock_wakes_it_when_it_is_time_to_ask(void **state)
{
    (void)state;
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[CHAIN - 1], NULL);
    uint64_t due_ms = consensus_deadline_ms(rig.core);
    assert_int_equal(due_ms, rig.now_ms + CONSENSUS_SYNC_RETRY_MS);
    rig_tick(&rig, due_ms - rig.now_ms);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
}

static void an_answer_that_stands_on_nothing_here_is_left(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    struct consensus_certified block = {.header = chain[2].header, .tx_ids = chain[2].tx_ids, .qc = &certificates[2]};
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = peer, .u.synced = {.blocks = &block, .count = 1}});
    assert_int_equal(rig_status(&rig).counters.dropped_unlinked, 1);
    assert_int_equal(rig_status(&rig).blocks_held, 1);
}

/* Its lock names a block that it lacks, and nobody has said anything yet. */
static void who_restarts_behind_asks_another(void **state)
{
    (void)state;
    struct consensus_voting voting = {.last_voted_view = CHAIN, .high_qc = certificates[CHAIN - 1]};
    struct rig_block root = rig.root;
    rig_restart(&rig, &root, &voting);
    for (int i = 0; i < 100 && rig_count(&rig, CONSENSUS_SYNC) == 0; i++)
        rig_tick(&rig, 10);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
    assert_int_not_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer, rig.self);
}

/* It is here; that it breaks a rule is no reason to fetch it. */
static void a_block_that_was_refused_is_not_asked_for(void **state)
{
    (void)state;
    struct qc genesis = rig_genesis_qc(&rig);
    rig_propose(&rig, &chain[0], &genesis, NULL);
    rig_checked(&rig, &chain[0], false);
    rig_heartbeat(&rig, rig_leader(&rig, 2), &certificates[0], NULL);
    for (int i = 0; i < 50; i++) {
        rig_tick(&rig, 100);
        assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0);
    }
}

/* The chain went on since somebody showed its certificate: the answer has more, and a later timeout names that. */
static void a_certificate_that_comes_with_a_block_raises_the_lock(void **state)
{
    (void)state;
    rig_heartbeat(&rig, rig_leader(&rig, 1), &certificates[1], NULL);
    for (int i = 0; i < 100 && rig_count(&rig, CONSENSUS_SYNC) == 0; i++)
        rig_tick(&rig, 10);
    assert_int_equal(rig_status(&rig).high_qc_view, 2);
    answer(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer, CHAIN);
    assert_int_equal(rig_status(&rig).high_qc_view, CHAIN);
    assert_int_equal(rig_status(&rig).view, CHAIN + 1);
}

static void an_empty_answer_is_not_followed_by_a_question_at_once(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    for (int again = 0; again < 3; again++) {
        answer(peer, 0);
        assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0);
    }
    rig_tick(&rig, CONSENSUS_SYNC_RETRY_MS);
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 1);
}

/* What came first may have been of a fork that lost: the next question begins above the root again. */
static void an_answer_that_does_not_fit_the_last_one_begins_anew(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    answer(peer, 2);
    peer = rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.peer;
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.height_first, 3);
    struct consensus_certified block = {.header = chain[3].header, .tx_ids = chain[3].tx_ids, .qc = &certificates[3]};
    rig_step(&rig, &(struct consensus_event){
                       .type = CONSENSUS_SYNCED, .sender = peer, .u.synced = {.blocks = &block, .count = 1}});
    assert_int_equal(rig_count(&rig, CONSENSUS_SYNC), 0);
    for (int i = 0; i < 100 && rig_count(&rig, CONSENSUS_SYNC) == 0; i++)
        rig_tick(&rig, 100);
    assert_int_equal(rig_effect(&rig, CONSENSUS_SYNC, 0)->u.sync.height_first, 1);
}

/* What a step may bring has its bound, and what a tree may hold: the rest of a long answer is asked for again. */
static void of_a_long_answer_the_beginning_is_taken(void **state)
{
    (void)state;
    enum { LONG = CONSENSUS_SYNCED_MAX + 10 };
    static struct rig_block blocks[LONG];
    static struct qc qcs[LONG];
    static struct consensus_certified certified[LONG];
    struct qc justify = rig_genesis_qc(&rig);
    for (uint32_t i = 0; i < LONG; i++) {
        blocks[i] = rig_block(&rig, i ? &blocks[i - 1] : &rig.root, &justify, i + 1, 0);
        justify = qcs[i] = rig_qc(&rig, &blocks[i], rig_others(&rig));
        certified[i] = (struct consensus_certified){.header = blocks[i].header, .qc = &qcs[i]};
    }
    certificates[CHAIN - 1] = justify;
    uint32_t peer = fall_behind();
    for (int again = 0; again < 4; again++) {
        rig_step(&rig, &(struct consensus_event){
                           .type = CONSENSUS_SYNCED, .sender = peer, .u.synced = {.blocks = certified, .count = LONG}});
        if (again == 0)
            assert_int_equal(rig_status(&rig).blocks_held, 1 + CONSENSUS_SYNCED_MAX);
        assert_true(rig_status(&rig).blocks_held <= CONSENSUS_BLOCKS_MAX);
        rig_tick(&rig, 5000);
        const struct consensus_effect *asked_again = rig_effect(&rig, CONSENSUS_SYNC, 0);
        peer = asked_again ? asked_again->u.sync.peer : peer;
    }
}

/* Heartbeats come twice a second from everybody: the answer is of who was asked. */
static void who_was_asked_is_heard_whoever_shows_something_meanwhile(void **state)
{
    (void)state;
    uint32_t peer = fall_behind();
    for (uint64_t i = 1; i <= 4; i++)
        rig_heartbeat(&rig, rig_leader(&rig, i), &certificates[CHAIN - 1], NULL);
    answer(peer, CHAIN);
    assert_int_equal(rig_status(&rig).blocks_held, CHAIN + 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(who_showed_the_certificate_is_asked_first),
        STORY(without_an_answer_another_is_asked_later_each_time),
        STORY(proved_blocks_are_executed_and_committed),
        STORY(a_block_without_its_certificate_is_refused),
        STORY(a_twin_of_a_certified_block_is_refused),
        STORY(an_answer_above_a_block_without_its_certificate_ends_nothing),
        STORY(a_block_that_its_parents_view_does_not_justify_is_refused),
        STORY(a_certified_block_that_does_not_fit_its_parent_is_refused),
        STORY(a_block_with_other_transactions_is_refused),
        STORY(answers_of_others_and_unasked_ones_are_ignored),
        STORY(the_next_part_is_asked_for_where_the_last_ended),
        STORY(slow_answers_are_waited_for),
        STORY(patience_follows_the_answers),
        STORY(who_has_caught_up_begins_anew),
        STORY(what_comes_next_is_asked_for_as_soon_as_there_is_room),
        STORY(who_has_pruned_the_block_is_left_and_another_is_asked_at_once),
        STORY(who_has_pruned_the_block_takes_no_time),
        STORY(nobody_is_pressed_for_what_all_have_pruned),
        STORY(a_store_that_was_brought_back_is_used),
        STORY(a_block_that_is_not_executed_for_a_second_is_asked_for),
        STORY(an_answer_may_begin_with_what_is_committed),
        STORY(a_certificate_below_the_root_is_nothing_to_ask_for),
        STORY(who_proposes_on_an_unknown_block_is_asked_for_it),
        STORY(the_clock_wakes_it_when_it_is_time_to_ask),
        STORY(an_answer_that_stands_on_nothing_here_is_left),
        STORY(who_restarts_behind_asks_another),
        STORY(a_block_that_was_refused_is_not_asked_for),
        STORY(a_certificate_that_comes_with_a_block_raises_the_lock),
        STORY(an_empty_answer_is_not_followed_by_a_question_at_once),
        STORY(an_answer_that_does_not_fit_the_last_one_begins_anew),
        STORY(of_a_long_answer_the_beginning_is_taken),
        STORY(who_was_asked_is_heard_whoever_shows_something_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
