/* execution.c - executes the transactions of one block.
 *
 * Each event: parse, state checks in the protocol's order, then two new leaves (its record and its nonce record) and a
 * receipt. Proof that a validator equivocated is checked in full and has no nonce: the offender's one record of it says
 * that it is there already. The tree is touched once, at the end, with all changes together.
 */
#include "services/executord/execution.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/merkle.h"
#include "common/base/tx.h"
#include "services/executord/committee.h"
#include "services/executord/overlay.h"
#include "services/executord/record.h"

struct execution {
    const struct genesis *genesis;
    struct slab *slab;
    policy_facts_fn *policy_facts;
    void *policy_facts_context;
    struct execution_base base;
    struct overlay *overlay;
    struct expiry *expiry_new; /* nonce records of this block */
    uint32_t tx_count;
    uint32_t tx_count_max;
    size_t change_count_max;
    uint32_t replayed_tx_count; /* transactions whose changes are put, not executed */
    int64_t keys_added;
    size_t receipt_bytes; /* used of receipt_data */
    /* tx_count_max each */
    struct span *bodies;
    struct span *receipts;
    struct hash *tx_ids;
    struct hash *receipt_hashes;
    struct hash *scratch;
    uint8_t *receipt_data; /* tx_count_max * RECORD_RECEIPT_BYTES_MAX */
    uint8_t value_data[RECORD_BYTES_MAX];
};

/* One transaction that may be executed. */
struct judged {
    enum tx_kind kind;
    struct hash tx_id;
    struct record_key key;
    /* of an event */
    struct tx tx;
    struct record_key nonce_key;
    struct policy_facts facts; /* of a policy */
    /* of validator evidence */
    struct equivocation proof;
};

int execution_new(struct execution **out, const struct execution_options *options)
{
    CLEANUP(execution_destroy) struct execution *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->genesis = options->genesis;
    self->slab = options->slab;
    self->policy_facts = options->policy_facts;
    self->policy_facts_context = options->policy_facts_context;
    self->tx_count_max = (uint32_t)options->genesis->parameters.block_max_txs;
    size_t txs = self->tx_count_max;
    /* Genesis records are put as one block as well. Two: the schedules of an epoch, one made and one dropped. */
    self->change_count_max = 2 * txs + EXECUTION_EXPIRED_BASE + EXECUTION_EXPIRED_PER_TX * txs + GENESIS_PRODUCERS_MAX +
                             GENESIS_VALIDATORS_MAX + 2;
    self->bodies = calloc(txs, sizeof self->bodies[0]);
    self->receipts = calloc(txs, sizeof self->receipts[0]);
    self->tx_ids = calloc(txs, sizeof self->tx_ids[0]);
    self->receipt_hashes = calloc(txs, sizeof self->receipt_hashes[0]);
    self->scratch = calloc(txs, sizeof self->scratch[0]);
    self->receipt_data = malloc(txs * RECORD_RECEIPT_BYTES_MAX);
    if (!self->bodies || !self->receipts || !self->tx_ids || !self->receipt_hashes || !self->scratch ||
        !self->receipt_data)
        return -ENOMEM;
    int rc = overlay_new(&self->overlay, self->slab, self->change_count_max, options->seed);
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void execution_destroy(struct execution **self)
{
    if (!self || !*self)
        return;
    if ((*self)->overlay)
        execution_clear(*self);
    overlay_destroy(&(*self)->overlay);
    free((*self)->bodies);
    free((*self)->receipts);
    free((*self)->tx_ids);
    free((*self)->receipt_hashes);
    free((*self)->scratch);
    free((*self)->receipt_data);
    free(*self);
    *self = NULL;
}

size_t execution_change_count_max(const struct execution *self)
{
    return self->change_count_max;
}

void execution_clear(struct execution *self)
{
    overlay_clear(self->overlay, NULL);
    expiry_release(self->slab, self->expiry_new);
    self->expiry_new = NULL;
    self->base = (struct execution_base){0};
    self->tx_count = 0;
    self->replayed_tx_count = 0;
    self->keys_added = 0;
    self->receipt_bytes = 0;
}

void execution_begin(struct execution *self, const struct execution_base *base)
{
    execution_clear(self);
    self->base = *base;
    overlay_clear(self->overlay, base->root);
}

static uint64_t block_time_s(const struct execution *self)
{
    return self->base.timestamp_ms / 1000;
}

/* --- state checks ------------------------------------------------------------------------------------------------- */

static int refuse(enum reason *reason, enum reason why)
{
    *reason = why;
    return EXECUTION_REFUSED;
}

/* "producer known, role": a record, active, with the role of the kind. */
static int check_producer(const struct execution *self, const struct tx *tx, enum reason *reason)
{
    struct record_key key = record_key_producer(&tx->producer);
    const struct state_item *leaf = overlay_find(self->overlay, &key.hash);
    struct record_producer producer;
    if (!leaf || record_producer_decode(&producer, state_leaf_value(leaf)) < 0 || !producer.active)
        return refuse(reason, REASON_PRODUCER_UNKNOWN);
    if ((producer.roles & tx_role(tx->kind)) == 0)
        return refuse(reason, REASON_PRODUCER_ROLE);
    return 0;
}

/* "Timestamp at execution: block_time - tx_max_age <= ts <= block_time + tx_future_skew." */
static int check_timestamp(const struct execution *self, const struct tx *tx, enum reason *reason)
{
    int64_t now_s = (int64_t)block_time_s(self);
    if (tx->ts < now_s - (int64_t)self->genesis->parameters.tx_max_age_s ||
        tx->ts > now_s + (int64_t)self->genesis->parameters.tx_future_skew_s)
        return refuse(reason, REASON_TIMESTAMP_SKEW);
    return 0;
}

/* "An exact re-delivery is not an error": the nonce record says which transaction used the nonce. *used tells whether
 * another one did. */
static int check_nonce(const struct execution *self, const struct judged *judged, bool *used, enum reason *reason)
{
    const struct state_item *leaf = overlay_find(self->overlay, &judged->nonce_key.hash);
    struct record_nonce nonce;
    *used = leaf != NULL;
    if (leaf && record_nonce_decode(&nonce, state_leaf_value(leaf)) == 0 && hash_equal(&nonce.tx_id, &judged->tx_id))
        return refuse(reason, REASON_NONE);
    return 0;
}

static int check_policy(struct execution *self, struct judged *judged, enum reason *reason)
{
    if (judged->tx.kind != TX_POLICY)
        return 0;
    int rc = self->policy_facts(self->policy_facts_context, judged->tx.content, &judged->facts);
    if (rc > 0)
        return refuse(reason, (enum reason)rc);
    if (rc < 0)
        return rc;
    assert(judged->facts.target_count <= RECORD_TARGETS_MAX);
    assert(judged->facts.policy_id.size <= RECORD_POLICY_ID_BYTES_MAX);
    return 0;
}

/* Signature, content hash, content rules and custody are checked at admission and when a body is fetched; everything
 * that depends on the state or the block is checked here, in the protocol's order. */
static int judge_event(struct execution *self, struct span body, struct judged *out, enum reason *reason)
{
    const char *why;
    int verdict = tx_parse(&out->tx, body, &why);
    if (verdict != 0)
        return refuse(reason, (enum reason)verdict);
    out->kind = out->tx.kind;
    out->nonce_key = record_key_nonce(&out->tx.producer, out->tx.nonce);
    bool nonce_used;
    verdict = check_nonce(self, out, &nonce_used, reason);
    if (verdict != 0)
        return verdict;
    verdict = check_producer(self, &out->tx, reason);
    if (verdict != 0)
        return verdict;
    if (self->genesis->parameters.require_v2 && out->tx.alg != TX_ALG_V2)
        return refuse(reason, REASON_BAD_SIGNATURE);
    verdict = check_policy(self, out, reason);
    if (verdict != 0)
        return verdict;
    verdict = check_timestamp(self, &out->tx, reason);
    if (verdict != 0)
        return verdict;
    if (nonce_used)
        return refuse(reason, REASON_NONCE_REUSED);
    out->key = record_key_event(out->tx.kind, out->tx.id);
    if (overlay_find(self->overlay, &out->key.hash))
        return refuse(reason, REASON_ID_CONFLICT);
    return 0;
}

/* Is this the proof that the offender's record is of? *recorded tells whether there is a record. */
static bool is_recorded(const struct execution *self, const struct judged *judged, bool *recorded)
{
    const struct state_item *leaf = overlay_find(self->overlay, &judged->key.hash);
    struct record_validator_evidence record;
    *recorded = leaf != NULL;
    return leaf && record_validator_evidence_decode(&record, state_leaf_value(leaf)) == 0 &&
           hash_equal(&record.tx_id, &judged->tx_id);
}

/* "It is proof when the offender is a validator of the genesis file; .. and both signatures verify." One proof is
 * enough for each validator: it is inactive for good. Checked here in full, whoever else has looked at it before. */
static int judge_proof(const struct execution *self, struct span body, struct judged *out, enum reason *reason)
{
    int verdict = equivocation_decode(&out->proof, body);
    if (verdict != 0)
        return refuse(reason, (enum reason)verdict);
    out->kind = TX_VALIDATOR_EVIDENCE;
    out->key = record_key_validator_evidence(&out->proof.offender);
    bool recorded;
    if (is_recorded(self, out, &recorded))
        return refuse(reason, REASON_NONE);
    verdict = equivocation_verify(&out->proof, self->genesis);
    if (verdict != 0)
        return refuse(reason, (enum reason)verdict);
    return recorded ? refuse(reason, REASON_ID_CONFLICT) : 0;
}

static int judge(struct execution *self, struct span body, struct judged *out, enum reason *reason)
{
    out->tx_id = tx_id(body);
    return tx_is_validator_evidence(body) ? judge_proof(self, body, out, reason) : judge_event(self, body, out, reason);
}

int execution_judge(struct execution *self, struct span body, enum reason *reason)
{
    struct judged judged;
    return judge(self, body, &judged, reason);
}

/* --- what an accepted transaction writes -------------------------------------------------------------------------- */

static int put_leaf(struct execution *self, const struct record_key *key, const struct bytes_writer *value,
                    struct state_item **out)
{
    assert(!value->failed);
    struct state_item *leaf;
    int rc = state_leaf_new(&leaf, self->slab, record_key_span(key), bytes_written(value), &key->hash);
    if (rc < 0)
        return rc;
    overlay_put(self->overlay, leaf);
    state_release(self->slab, leaf); /* the overlay's reference stays */
    self->keys_added++;
    *out = leaf;
    return 0;
}

static int queue_nonce(struct execution *self, struct state_item *leaf, int64_t expires_at_s)
{
    struct expiry *one;
    int rc = expiry_new(&one, self->slab, leaf, expires_at_s);
    if (rc < 0)
        return rc;
    struct expiry *merged;
    rc = expiry_merge(&merged, self->slab, self->expiry_new, one);
    expiry_release(self->slab, one);
    if (rc < 0)
        return rc;
    expiry_release(self->slab, self->expiry_new);
    self->expiry_new = merged;
    return 0;
}

static int write_nonce(struct execution *self, const struct judged *judged)
{
    uint8_t data[64];
    struct bytes_writer value = bytes_writer_of(data, sizeof data);
    struct record_nonce record = {
        .tx_id = judged->tx_id,
        .expires_at_s = judged->tx.ts + (int64_t)self->genesis->parameters.tx_max_age_s,
    };
    record_nonce_encode(&value, &record);
    struct state_item *leaf;
    int rc = put_leaf(self, &judged->nonce_key, &value, &leaf);
    return rc < 0 ? rc : queue_nonce(self, leaf, record.expires_at_s);
}

static int punish(struct execution *self, const struct judged *judged)
{
    int offender = genesis_validator_index(self->genesis, &judged->proof.offender);
    return committee_punish(self, self->genesis, (uint32_t)offender);
}

static int write_record(struct execution *self, const struct judged *judged, struct state_item **leaf,
                        const char **status)
{
    static const char *(*const reducers[TX_KIND_COUNT])(struct bytes_writer *, const struct reducer_input *) = {
        [TX_ANOMALY] = reducer_anomaly,
        [TX_EVIDENCE] = reducer_evidence,
        [TX_POLICY] = reducer_policy,
        [TX_VALIDATOR_EVIDENCE] = reducer_validator_evidence};
    struct bytes_writer value = bytes_writer_of(self->value_data, sizeof self->value_data);
    struct reducer_input input = {
        .tx = judged->kind != TX_VALIDATOR_EVIDENCE ? &judged->tx : NULL,
        .tx_id = &judged->tx_id,
        .policy = judged->kind == TX_POLICY ? &judged->facts : NULL,
        .proof = judged->kind == TX_VALIDATOR_EVIDENCE ? &judged->proof : NULL,
        .height = self->base.height,
        .block_time_s = block_time_s(self),
    };
    *status = reducers[judged->kind](&value, &input);
    return put_leaf(self, &judged->key, &value, leaf);
}

static void write_receipt(struct execution *self, const struct judged *judged, const struct state_item *leaf,
                          const char *status)
{
    struct bytes_writer writer = bytes_writer_of(self->receipt_data + self->receipt_bytes, RECORD_RECEIPT_BYTES_MAX);
    struct hash value_hash = state_leaf_value_hash(leaf);
    struct record_receipt receipt = {
        .tx_id = span_of(judged->tx_id.bytes, HASH_BYTES),
        .kind = judged->kind,
        .key = record_key_span(&judged->key),
        .value_hash = span_of(value_hash.bytes, HASH_BYTES),
        .status = span_text(status),
    };
    record_receipt_encode(&writer, &receipt);
    assert(!writer.failed);
    self->receipts[self->tx_count] = bytes_written(&writer);
    self->receipt_hashes[self->tx_count] = hash_of(bytes_written(&writer));
    self->receipt_bytes += writer.size;
}

int execution_apply(struct execution *self, struct span body, enum reason *reason)
{
    assert(self->tx_count < self->tx_count_max);
    struct judged judged;
    int verdict = judge(self, body, &judged, reason);
    if (verdict != 0)
        return verdict;
    struct state_item *leaf;
    const char *status;
    int rc = write_record(self, &judged, &leaf, &status);
    if (rc < 0)
        return rc;
    rc = judged.kind == TX_VALIDATOR_EVIDENCE ? punish(self, &judged) : write_nonce(self, &judged);
    if (rc < 0)
        return rc;
    write_receipt(self, &judged, leaf, status);
    self->bodies[self->tx_count] = body;
    self->tx_ids[self->tx_count] = judged.tx_id;
    self->tx_count++;
    return 0;
}

int execution_put(struct execution *self, struct span key, struct span value)
{
    struct record_nonce nonce;
    bool is_nonce = record_key_is_nonce(key);
    if (is_nonce && record_nonce_decode(&nonce, value) < 0)
        return ERR_MALFORMED;
    struct hash key_hash = stateproof_key_hash(key);
    bool held = overlay_find(self->overlay, &key_hash) != NULL;
    if (held && is_nonce)
        return ERR_MALFORMED;
    struct state_item *leaf;
    int rc = state_leaf_new(&leaf, self->slab, key, value, &key_hash);
    if (rc < 0)
        return rc;
    overlay_put(self->overlay, leaf);
    self->keys_added += !held;
    rc = is_nonce ? queue_nonce(self, leaf, nonce.expires_at_s) : 0;
    state_release(self->slab, leaf);
    return rc;
}

void execution_delete(struct execution *self, const struct hash *key_hash)
{
    struct state_item *leaf = overlay_find(self->overlay, key_hash);
    if (!leaf)
        return;
    assert(!record_key_is_nonce(state_leaf_key(leaf)));
    overlay_delete(self->overlay, leaf);
    self->keys_added--;
}

const struct state_item *execution_find(const struct execution *self, const struct hash *key_hash)
{
    return overlay_find(self->overlay, key_hash);
}

void execution_replayed(struct execution *self, uint32_t tx_count)
{
    self->replayed_tx_count = tx_count;
}

/* --- the end of a block ------------------------------------------------------------------------------------------- */

/* Delete nonce records whose expires_at_s + tx_future_skew_s is before the block's time: their transactions are too old
 * for any block from here on. *expiry is the parent's queue without them and with the block's own. */
static int expire(struct execution *self, struct expiry **expiry)
{
    uint64_t txs = (uint64_t)self->tx_count + self->replayed_tx_count;
    uint64_t left = EXECUTION_EXPIRED_BASE + EXECUTION_EXPIRED_PER_TX * txs;
    int64_t now_s = (int64_t)block_time_s(self);
    struct expiry *queue = expiry_keep(self->base.expiry);
    int64_t expires_at_s;
    int rc = 0;
    for (; left > 0 && rc == 0; left--) {
        struct state_item *leaf = expiry_first(queue, &expires_at_s);
        if (!leaf || expires_at_s + (int64_t)self->genesis->parameters.tx_future_skew_s >= now_s)
            break;
        overlay_delete(self->overlay, leaf);
        self->keys_added--;
        struct expiry *rest;
        rc = expiry_rest(&rest, self->slab, queue);
        if (rc == 0) {
            expiry_release(self->slab, queue);
            queue = rest;
        }
    }
    if (rc == 0)
        rc = expiry_merge(expiry, self->slab, queue, self->expiry_new);
    expiry_release(self->slab, queue);
    return rc;
}

struct hash execution_tx_root(struct execution *self)
{
    return merkle_root(self->tx_ids, self->tx_count, self->scratch);
}

int execution_end(struct execution *self, struct execution_result *out)
{
    struct execution_result result = {
        .tx_root = execution_tx_root(self),
        .receipt_root = merkle_root(self->receipt_hashes, self->tx_count, self->scratch),
        .tx_count = self->tx_count,
        .bodies = self->bodies,
        .receipts = self->receipts,
    };
    int rc = expire(self, &result.expiry);
    if (rc < 0)
        return rc;
    result.changes = overlay_changes(self->overlay, &result.change_count);
    result.keys_added = self->keys_added;
    rc = state_update(&result.root, self->slab, self->base.root, result.changes, result.change_count);
    if (rc < 0) {
        expiry_release(self->slab, result.expiry);
        return rc;
    }
    *out = result;
    return 0;
}
