/* judge_answers.c - what apids say is true.
 *
 * - An answered block is the one that is committed at its height; a transaction is in the ledger at its height, and its
 *   paths lead to that block's roots.
 * - A state is that of a committed height: its proof verifies against the block's state root. An anomaly is there from
 *   the height of its transaction on, and not before.
 * - The commit proofs of both verify by the genesis file alone, and are of that very block.
 * - Nothing is missing that the database has; without an answer of executord a question is given up neither too soon
 *   nor, once everything works, at all.
 */
#include <sodium.h>

#include "common/base/cert.h"
#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/merkle.h"
#include "common/base/stateproof.h"
#include "services/apid/query_client.h"
#include "tests/sim/whole/reader.h"

enum {
    VALUE_BYTES_MAX = 4096,
    DRIFT_MS = 100,
    STATES_KEPT = 20, /* STATE_RETAIN_VERSIONS */
    REACHED_MS_MAX = 1200,
};

#define MUST_HOLD(question, condition, what)                                                                           \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            violate("v%" PRIu32 ".apid: %s (kind %d)", (question)->validator, what, (int)(question)->kind);            \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

/* --- members ------------------------------------------------------------------------------------------------------ */

static bool read_hash(struct hash *out, const json_t *text)
{
    return json_is_string(text) && hex_decode(out->bytes, HASH_BYTES, json_string_value(text)) == 0;
}

static bool is_hash(const json_t *object, const char *name, const struct hash *expected)
{
    struct hash hash;
    return read_hash(&hash, json_object_get(object, name)) && hash_equal(&hash, expected);
}

static bool is_number(const json_t *object, const char *name, uint64_t expected)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) && json_integer_value(value) == (json_int_t)expected;
}

/* Returns how many; more than there is room for: none is good. */
static size_t read_hashes(struct hash *out, size_t count_max, const json_t *list)
{
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < count_max; i++) {
        if (!read_hash(&out[i], json_array_get(list, i)))
            return count_max + 1;
    }
    return count;
}

/* Base64 in out; false: it is none, or too long. */
static bool read_bytes(uint8_t out[static VALUE_BYTES_MAX], size_t *size, const json_t *text)
{
    return json_is_string(text) &&
           sodium_base642bin(out, VALUE_BYTES_MAX, json_string_value(text), json_string_length(text), NULL, size, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0;
}

static uint64_t read_number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* --- commit proofs ------------------------------------------------------------------------------------------------ */

static bool read_certificate(struct qc *out, const json_t *json)
{
    const json_t *signatures = json_object_get(json, "signatures");
    *out = (struct qc){.view = read_number(json, "view"),
                       .height = read_number(json, "height"),
                       .signature_count = (uint32_t)json_array_size(signatures)};
    if (!read_hash(&out->block_id, json_object_get(json, "block_id")) || out->signature_count > CERT_SIGNERS_MAX)
        return false;
    for (size_t i = 0; i < out->signature_count; i++) {
        const json_t *each = json_array_get(signatures, i);
        const char *text = json_string_value(json_object_get(each, "signature"));
        out->signatures[i].validator = (uint32_t)read_number(each, "validator");
        if (!text || hex_decode(out->signatures[i].signature.bytes, SIGN_BYTES, text) < 0)
            return false;
    }
    return true;
}

/* Does the document's commit proof say, by the genesis file alone, that this block is final? */
static bool is_proved(const struct judge_committed *block, const json_t *body)
{
    static uint8_t bytes[CERT_PROOF_HEADERS_MAX][BLOCK_HEADER_BYTES]; /* large */
    const json_t *commit = json_object_get(body, "commit"), *headers = json_object_get(commit, "headers");
    struct cert_commit_proof proof = {.headers = bytes[0], .header_count = json_array_size(headers)};
    if (proof.header_count > CERT_PROOF_HEADERS_MAX || !read_certificate(&proof.qc, json_object_get(commit, "qc")))
        return false;
    for (size_t i = 0; i < proof.header_count; i++) {
        const char *text = json_string_value(json_array_get(headers, i));
        if (!text || hex_decode(bytes[i], BLOCK_HEADER_BYTES, text) < 0)
            return false;
    }
    struct block_header header;
    const char *why;
    if (cert_commit_proof_verify(&header, &proof, &world.genesis, &why) != 0)
        return false;
    struct hash id = block_id(&header);
    return hash_equal(&id, &block->id);
}

/* --- blocks and transactions -------------------------------------------------------------------------------------- */

static const struct judge_committed *committed_at(const json_t *body)
{
    const json_t *height = json_object_get(body, "height");
    return json_is_integer(height) ? judge_committed_at((uint64_t)json_integer_value(height)) : NULL;
}

static void judge_block_answer(const struct question *question, const json_t *body)
{
    const struct judge_committed *block = committed_at(body);
    MUST_HOLD(question, block, "a block of a height that is not committed");
    MUST_HOLD(question, question->kind != QUESTION_BLOCK || block->header.height == question->height,
              "a block of another height");
    MUST_HOLD(question, is_hash(body, "hash", &block->id), "another block than the committed one");
    MUST_HOLD(question,
              is_hash(body, "parent_hash", &block->header.parent_id) &&
                  is_hash(body, "state_root", &block->header.state_root) &&
                  is_hash(body, "tx_root", &block->header.tx_root) &&
                  is_number(body, "transaction_count", block->header.tx_count),
              "a committed block with other contents");
}

static void judge_root_answer(const struct question *question, const json_t *body)
{
    const struct judge_committed *block = committed_at(body);
    MUST_HOLD(question, block, "the state root of a height that is not committed");
    MUST_HOLD(question, is_hash(body, "root", &block->header.state_root), "another state root than the height's");
}

static void judge_transaction_answer(const struct question *question, const json_t *body)
{
    MUST_HOLD(question, is_hash(body, "tx_id", &question->tx_id), "another transaction");
    int64_t height = judge_tx_height(&question->tx_id);
    MUST_HOLD(question, height >= 0, "a transaction that is not in the ledger");
    MUST_HOLD(question, is_number(body, "height", (uint64_t)height), "a transaction at another height");
}

static bool leads_to(const struct hash *root, const struct hash *item, const json_t *body, const char *path)
{
    struct hash hashes[MERKLE_PATH_MAX];
    size_t count = read_hashes(hashes, MERKLE_PATH_MAX, json_object_get(body, path));
    json_int_t index = json_integer_value(json_object_get(body, "index"));
    json_int_t items = json_integer_value(json_object_get(body, "tx_count"));
    return count <= MERKLE_PATH_MAX && index >= 0 && items > 0 &&
           merkle_verify(root, item, (size_t)items, (size_t)index, hashes, count) == 0;
}

static void judge_proof_answer(const struct question *question, const json_t *body)
{
    int64_t height = judge_tx_height(&question->tx_id);
    MUST_HOLD(question, height >= 0, "the proof of a transaction that is not in the ledger");
    MUST_HOLD(question, is_hash(body, "tx_id", &question->tx_id), "the proof of another transaction");
    const struct judge_committed *block = judge_committed_at((uint64_t)height);
    const struct block_header *header = &block->header;
    MUST_HOLD(question, is_number(body, "tx_count", header->tx_count), "a proof of another block");
    MUST_HOLD(question, leads_to(&header->tx_root, &question->tx_id, body, "path"),
              "a transaction's path does not lead to its block");
    uint8_t receipt[VALUE_BYTES_MAX];
    size_t size = 0;
    MUST_HOLD(question, read_bytes(receipt, &size, json_object_get(body, "receipt")), "a receipt that is none");
    struct hash hash = hash_of(span_of(receipt, size));
    MUST_HOLD(question, leads_to(&header->receipt_root, &hash, body, "receipt_path"),
              "a receipt's path does not lead to its block");
    MUST_HOLD(question, is_proved(block, body), "a commit proof does not prove the transaction's block");
}

/* --- the state ---------------------------------------------------------------------------------------------------- */

static bool read_stateproof(struct stateproof *out, const json_t *body)
{
    const json_t *leaf = json_object_get(body, "leaf");
    *out = (struct stateproof){.has_leaf = json_is_object(leaf)};
    size_t count = read_hashes(out->siblings, STATEPROOF_DEPTH_MAX, json_object_get(body, "siblings"));
    out->sibling_count = (uint32_t)count;
    bool has_leaf = read_hash(&out->leaf.key_hash, json_object_get(leaf, "key_hash")) &&
                    read_hash(&out->leaf.value_hash, json_object_get(leaf, "value_hash"));
    return count <= STATEPROOF_DEPTH_MAX && (has_leaf || json_is_null(leaf));
}

/* Is the anomaly's transaction final at or below the height? */
static bool is_final(const struct question *question, uint64_t height)
{
    int64_t since = question->id[0] ? judge_anomaly_height(question->id) : -1;
    return since >= 0 && (uint64_t)since <= height;
}

static void judge_state_answer(const struct question *question, const json_t *body)
{
    const struct judge_committed *block = committed_at(body);
    MUST_HOLD(question, block, "the state of a height that is not committed");
    MUST_HOLD(question, !question->at_height || block->header.height == question->height,
              "the state of another height");
    struct stateproof proof;
    uint8_t value[VALUE_BYTES_MAX];
    size_t size = 0;
    const json_t *text = json_object_get(body, "value");
    bool found = json_is_string(text);
    MUST_HOLD(question, read_stateproof(&proof, body), "a state proof that is none");
    MUST_HOLD(question, found ? read_bytes(value, &size, text) : json_is_null(text), "a value that is none");
    char key[sizeof question->id + 16];
    snprintf(key, sizeof key, "anomaly/%s", question->id[0] ? question->id : "none");
    struct span proved = found ? span_of(value, size) : (struct span){0};
    MUST_HOLD(question, stateproof_verify(&block->header.state_root, span_text(key), proved, &proof) == 0,
              "a state proof does not lead to the height's state root");
    MUST_HOLD(question, is_proved(block, body), "a commit proof does not prove the state's block");
    MUST_HOLD(question, found || !is_final(question, block->header.height), "an anomaly that is final is not there");
    MUST_HOLD(question, !found || is_final(question, block->header.height), "an anomaly that nobody committed");
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* executord has its latest state, and those of the heights before that it keeps; but the genesis block has no proof. */
static bool may_be_unknown(const struct question *question)
{
    uint64_t before = question->executord_height, now = judge_executord_height(question->validator);
    if (!question->at_height)
        return before == 0;
    return question->height == 0 || question->height > before || question->height + STATES_KEPT <= now;
}

static void judge_absence(const struct question *question)
{
    const struct base *base = world.validators[question->validator].base;
    int64_t height = base_height(base);
    switch (question->kind) {
    case QUESTION_BLOCK:
        MUST_HOLD(question, height < (int64_t)question->height, "a persisted block is missing");
        break;
    case QUESTION_BLOCK_LATEST:
    case QUESTION_STATE_ROOT:
        MUST_HOLD(question, height < 0, "the persisted blocks are missing");
        break;
    case QUESTION_TRANSACTION:
    case QUESTION_TRANSACTION_PROOF:
        MUST_HOLD(question, !base_has_tx(base, &question->tx_id), "a persisted transaction is missing");
        break;
    case QUESTION_STATE:
        MUST_HOLD(question, may_be_unknown(question), "the state of a height that executord has is missing");
        break;
    case QUESTION_KINDS:
        break;
    }
}

void judge_answer(const struct question *question, int status, const json_t *body)
{
    static void (*const judges[QUESTION_KINDS])(const struct question *question, const json_t *body) = {
        [QUESTION_STATE] = judge_state_answer,
        [QUESTION_BLOCK] = judge_block_answer,
        [QUESTION_BLOCK_LATEST] = judge_block_answer,
        [QUESTION_STATE_ROOT] = judge_root_answer,
        [QUESTION_TRANSACTION] = judge_transaction_answer,
        [QUESTION_TRANSACTION_PROOF] = judge_proof_answer,
    };
    MUST_HOLD(question, status == 200 || !question->must, "everything works, and there is no answer");
    if (status == 200)
        judges[question->kind](question, body);
    else if (status == 404)
        judge_absence(question);
    else
        MUST_HOLD(question, status == 503, "a good question is refused");
}

void judge_waiting(const struct process *apid, uint32_t count)
{
    if (count > QUERY_CLIENT_WAITING_MAX)
        violate("v%" PRIu32 ".apid: %" PRIu32 " questions wait", apid->validator, count);
}

/* Has executord been there so long that a question which is asked again every QUERY_CLIENT_AGAIN_MS reached it? */
static bool was_there(const struct process *executord)
{
    uint64_t since_us =
        executord->stalled_until_us > executord->born_us ? executord->stalled_until_us : executord->born_us;
    return process_is_up(executord) && world.now_us >= since_us + REACHED_MS_MAX * WORLD_MS;
}

void judge_given_up(const struct process *apid, int rc, uint64_t waited_us, uint32_t waiting_count)
{
    bool full = rc == ERR_FULL && waiting_count == QUERY_CLIENT_WAITING_MAX;
    bool late = rc == ERR_PEER_GONE && waited_us >= (QUERY_CLIENT_WAIT_MS - DRIFT_MS) * WORLD_MS;
    if (!full && !late)
        violate("v%" PRIu32 ".apid gives up a question after %" PRIu64 " ms with %" PRIu32 " waiting: %s",
                apid->validator, waited_us / WORLD_MS, waiting_count, err_text(rc));
    if (late && was_there(&world.validators[apid->validator].stages[STAGE_EXECUTORD]))
        violate("v%" PRIu32 ".apid gives up a question although executord was there", apid->validator);
}
