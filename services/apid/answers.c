/* answers.c - JSON documents. */
#include "services/apid/answers.h"

#include <stdlib.h>

#include <sodium.h>

#include "common/base/block.h"
#include "common/base/equivocation.h"
#include "common/base/hex.h"
#include "common/base/merkle.h"
#include "proto/proof.pb-c.h"
#include "proto/record.pb-c.h"

static const char *const kind_names[] = {"unknown", "anomaly", "evidence", "policy", "validator_evidence"};

json_t *answers_hex(struct span bytes)
{
    char *text = malloc(2 * bytes.size + 1);
    if (!text)
        return NULL;
    hex_encode(text, bytes.data, bytes.size);
    json_t *value = json_stringn(text, 2 * bytes.size);
    free(text);
    return value;
}

json_t *answers_base64(struct span bytes)
{
    size_t capacity = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(capacity);
    if (!text)
        return NULL;
    sodium_bin2base64(text, capacity, bytes.data, bytes.size, sodium_base64_VARIANT_ORIGINAL);
    json_t *value = json_string(text);
    free(text);
    return value;
}

json_t *answers_append_take(json_t *list, json_t *item)
{
    if (list && json_array_append_new(list, item) == 0)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *text_of(struct span text)
{
    return json_stringn(text.size > 0 ? (const char *)text.data : "", text.size);
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *answers_block(const struct answers_block *block)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "height",
                     number(block->height), "hash", answers_hex(block->hash), "parent_hash",
                     answers_hex(block->parent_hash), "view", number(block->view), "proposer",
                     answers_hex(block->proposer), "timestamp", number(block->timestamp_ms / 1000), "timestamp_ms",
                     number(block->timestamp_ms), "state_root", answers_hex(block->state_root), "tx_root",
                     answers_hex(block->tx_root), "transaction_count", number(block->transaction_count),
                     "anomaly_count", number(block->anomaly_count), "evidence_count", number(block->evidence_count),
                     "policy_count", number(block->policy_count), "size_bytes", number(block->size_bytes));
}

json_t *answers_transaction(const struct answers_transaction *transaction)
{
    Cybermesh__Record__V1__Receipt *receipt =
        cybermesh__record__v1__receipt__unpack(NULL, transaction->receipt.size, transaction->receipt.data);
    if (!receipt)
        return NULL;
    size_t kind =
        transaction->kind >= 1 && (size_t)transaction->kind < ARRAY_COUNT(kind_names) ? (size_t)transaction->kind : 0;
    json_t *changes =
        json_pack("{s:s, s:o, s:s}", "key", receipt->key, "value_hash",
                  answers_hex(span_of(receipt->value_hash.data, receipt->value_hash.len)), "status", receipt->status);
    json_t *value = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "tx_id", answers_hex(transaction->tx_id),
                              "kind", kind_names[kind], "event_id", text_of(transaction->event_id), "producer",
                              transaction->producer.size > 0 ? answers_hex(transaction->producer) : json_null(),
                              "height", number(transaction->height), "index", number(transaction->index), "timestamp",
                              json_integer(transaction->timestamp), "status", receipt->status, "receipt", changes);
    cybermesh__record__v1__receipt__free_unpacked(receipt, NULL);
    return value;
}

json_t *answers_validator(const struct answers_validator *validator)
{
    return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", answers_hex(validator->id), "name",
                     text_of(validator->name), "public_key", answers_hex(validator->public_key), "status",
                     validator->active ? "active" : "inactive", "reputation_ppm", number(validator->reputation_ppm),
                     "proposed_blocks", number(validator->proposed_blocks), "committed_blocks",
                     number(validator->committed_blocks), "missed_views", number(validator->missed_views),
                     "last_active_height", number(validator->last_active_height));
}

static const char *severity_label(uint32_t severity)
{
    if (severity >= 8)
        return "critical";
    if (severity >= 5)
        return "high";
    return severity >= 3 ? "medium" : "low";
}

json_t *answers_anomaly(const struct answers_anomaly *anomaly)
{
    return json_pack("{s:o, s:o, s:o, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "id", text_of(anomaly->id), "type",
                     text_of(anomaly->type), "severity", number(anomaly->severity), "severity_label",
                     severity_label(anomaly->severity), "confidence", (double)anomaly->confidence_ppm / 1e6, "source",
                     text_of(anomaly->source), "status", text_of(anomaly->status), "producer",
                     answers_hex(anomaly->producer), "block_height", number(anomaly->height), "timestamp",
                     json_integer(anomaly->timestamp), "tx_hash", answers_hex(anomaly->tx_id));
}

json_t *answers_consensus_evidence(const struct answers_consensus_evidence *evidence)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "offender", answers_hex(evidence->offender), "name",
                     text_of(evidence->name), "kind", evidence->kind == EQUIVOCATION_VOTE ? "vote" : "proposal", "view",
                     number(evidence->view), "height", number(evidence->height), "tx_id", answers_hex(evidence->tx_id),
                     "timestamp", json_integer(evidence->timestamp));
}

static json_t *commit_signature(const Cybermesh__Proof__V1__Signature *signature)
{
    return json_pack("{s:o, s:o}", "validator", number(signature->validator), "signature",
                     answers_hex(span_of(signature->signature.data, signature->signature.len)));
}

static json_t *quorum_certificate(const Cybermesh__Proof__V1__Qc *qc)
{
    json_t *signatures = json_array();
    for (size_t i = 0; i < qc->n_signatures; i++)
        signatures = answers_append_take(signatures, commit_signature(qc->signatures[i]));
    return json_pack("{s:o, s:o, s:o, s:o}", "view", number(qc->view), "height", number(qc->height), "block_id",
                     answers_hex(span_of(qc->block_id.data, qc->block_id.len)), "signatures", signatures);
}

json_t *answers_commit_proof(struct span proof)
{
    Cybermesh__Proof__V1__CommitProof *pb = cybermesh__proof__v1__commit_proof__unpack(NULL, proof.size, proof.data);
    json_t *value = NULL;
    if (pb && pb->qc) {
        json_t *headers = json_array();
        for (size_t i = 0; i < pb->n_headers; i++)
            headers = answers_append_take(headers, answers_hex(span_of(pb->headers[i].data, pb->headers[i].len)));
        value = json_pack("{s:o, s:o}", "headers", headers, "qc", quorum_certificate(pb->qc));
    }
    if (pb)
        cybermesh__proof__v1__commit_proof__free_unpacked(pb, NULL);
    return value;
}

static json_t *path_of(const struct hash *items, size_t count, size_t index)
{
    struct hash *scratch = malloc((count + 1) * sizeof *scratch);
    if (!scratch)
        return NULL;
    struct hash path[MERKLE_PATH_MAX];
    size_t size = merkle_path(path, items, count, index, scratch);
    free(scratch);
    json_t *list = json_array();
    for (size_t i = 0; i < size; i++)
        list = answers_append_take(list, answers_hex(span_of(path[i].bytes, HASH_BYTES)));
    return list;
}

json_t *answers_transaction_proof(const struct answers_transaction_proof *proof)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "tx_id",
                     answers_hex(span_of(proof->tx_ids[proof->index].bytes, HASH_BYTES)), "index", number(proof->index),
                     "tx_count", number(proof->tx_count), "path", path_of(proof->tx_ids, proof->tx_count, proof->index),
                     "receipt", answers_base64(proof->receipt), "receipt_path",
                     path_of(proof->receipt_hashes, proof->tx_count, proof->index), "commit",
                     answers_commit_proof(proof->commit_proof));
}

static json_t *state_value(const Cybermesh__Query__V1__State *state)
{
    return state->found ? answers_base64(span_of(state->value.data, state->value.len)) : json_null();
}

static json_t *state_proof(const Cybermesh__Query__V1__State *state, const char *key)
{
    json_t *siblings = json_array();
    for (size_t i = 0; i < state->n_siblings; i++)
        siblings = answers_append_take(siblings, answers_hex(span_of(state->siblings[i].data, state->siblings[i].len)));
    json_t *leaf =
        state->has_leaf
            ? json_pack("{s:o, s:o}", "key_hash",
                        answers_hex(span_of(state->leaf_key_hash.data, state->leaf_key_hash.len)), "value_hash",
                        answers_hex(span_of(state->leaf_value_hash.data, state->leaf_value_hash.len)))
            : json_null();
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "key", key, "height", number(state->height), "value",
                     state_value(state), "leaf", leaf, "siblings", siblings, "commit",
                     answers_commit_proof(span_of(state->proof.data, state->proof.len)));
}

static int not_there(const char **why, const char *text)
{
    *why = text;
    return 404;
}

int answers_state(const Cybermesh__Query__V1__State *state, const char *key, bool with_proof, json_t **out,
                  const char **why)
{
    if (state->status == CYBERMESH__QUERY__V1__STATE_STATUS__STATE_HEIGHT_UNKNOWN)
        return not_there(why, "that height is not committed yet");
    if (state->status == CYBERMESH__QUERY__V1__STATE_STATUS__STATE_HEIGHT_NOT_RETAINED)
        return not_there(why, "the state at that height is not kept any more");
    if (with_proof && state->proof.len == 0 && state->height == 0)
        return not_there(why, "the genesis block has no commit proof; ask for a height from 1 on");
    json_t *value = NULL;
    if (state->status == CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK)
        value = with_proof ? state_proof(state, key)
                           : json_pack("{s:s, s:o, s:o}", "key", key, "height", number(state->height), "value",
                                       state_value(state));
    *why = "the answer of executord cannot be used";
    *out = value;
    return value ? 200 : 500;
}

json_t *answers_state_root(struct span root, uint64_t height)
{
    return json_pack("{s:o, s:o}", "root", answers_hex(root), "height", number(height));
}

json_t *answers_problem(int status, const char *detail)
{
    static const struct {
        int status;
        const char *code, *title;
    } kinds[] = {{400, "BAD_REQUEST", "Bad request"},
                 {404, "NOT_FOUND", "Not found"},
                 {405, "METHOD_NOT_ALLOWED", "Method not allowed"},
                 {500, "INTERNAL", "Internal error"},
                 {503, "UNAVAILABLE", "Unavailable"}};
    size_t i = 0;
    while (i + 1 < sizeof kinds / sizeof kinds[0] && kinds[i].status != status)
        i++;
    return json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title", kinds[i].title, "status", status,
                     "detail", detail, "code", kinds[i].code);
}
