/* test_answers.c - documents are those of docs/protocol.md: shapes by example, proofs against tests/vectors. */
#include "tests/unit/base/vectors.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/proof.pb-c.h"
#include "proto/record.pb-c.h"
#include "services/apid/answers.h"

enum { ITEMS_MAX = 16, CONTENT_BYTES_MAX = 4096 };

/* The document, with its members in order, is this text. */
static void assert_json(json_t *value, const char *expected)
{
    assert_non_null(value);
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static struct span bytes_of(uint8_t byte)
{
    static uint8_t room[256][4];
    memset(room[byte], byte, sizeof room[byte]);
    return span_of(room[byte], sizeof room[byte]);
}

static void a_block_has_its_names(void **state)
{
    struct answers_block block = {.height = 5,
                                  .view = 6,
                                  .timestamp_ms = 1700000000999,
                                  .size_bytes = 300,
                                  .hash = bytes_of(1),
                                  .parent_hash = bytes_of(2),
                                  .proposer = bytes_of(3),
                                  .state_root = bytes_of(4),
                                  .tx_root = bytes_of(5),
                                  .transaction_count = 6,
                                  .anomaly_count = 3,
                                  .evidence_count = 2,
                                  .policy_count = 1};
    assert_json(answers_block(&block),
                "{\"height\":5,\"hash\":\"01010101\",\"parent_hash\":\"02020202\",\"view\":6,\"proposer\":\"03030303\","
                "\"timestamp\":1700000000,\"timestamp_ms\":1700000000999,\"state_root\":\"04040404\",\"tx_root\":"
                "\"05050505\",\"transaction_count\":6,\"anomaly_count\":3,\"evidence_count\":2,\"policy_count\":1,"
                "\"size_bytes\":300}");
}

static void a_transaction_has_its_names(void **state)
{
    static const uint8_t receipt[] = "\x1a\x09"
                                     "anomaly/a"
                                     "\x22\x02\xab\xcd\x2a\x08reported";
    struct answers_transaction transaction = {.tx_id = bytes_of(1),
                                              .event_id = span_text("a"),
                                              .producer = bytes_of(2),
                                              .receipt = span_of(receipt, sizeof receipt - 1),
                                              .height = 5,
                                              .index = 3,
                                              .kind = 1,
                                              .timestamp = -7};
    assert_json(
        answers_transaction(&transaction),
        "{\"tx_id\":\"01010101\",\"kind\":\"anomaly\",\"event_id\":\"a\",\"producer\":\"02020202\",\"height\":5,"
        "\"index\":3,\"timestamp\":-7,\"status\":\"reported\",\"receipt\":{\"key\":\"anomaly/a\",\"value_hash\":"
        "\"abcd\",\"status\":\"reported\"}}");
    /* Proof of equivocation has no producer. */
    transaction.kind = 4;
    transaction.producer = (struct span){0};
    assert_json(answers_transaction(&transaction),
                "{\"tx_id\":\"01010101\",\"kind\":\"validator_evidence\",\"event_id\":\"a\",\"producer\":null,"
                "\"height\":5,\"index\":3,\"timestamp\":-7,\"status\":\"reported\",\"receipt\":{\"key\":\"anomaly/a\","
                "\"value_hash\":\"abcd\",\"status\":\"reported\"}}");
    transaction.receipt = span_text("\xff");
    assert_null(answers_transaction(&transaction));
}

static void a_validator_has_its_names(void **state)
{
    struct answers_validator validator = {.id = bytes_of(1),
                                          .name = span_text("v1"),
                                          .public_key = bytes_of(2),
                                          .active = true,
                                          .reputation_ppm = 950000,
                                          .proposed_blocks = 4,
                                          .committed_blocks = 5,
                                          .missed_views = 6,
                                          .last_active_height = 9};
    assert_json(answers_validator(&validator),
                "{\"id\":\"01010101\",\"name\":\"v1\",\"public_key\":\"02020202\",\"status\":\"active\","
                "\"reputation_ppm\":950000,\"proposed_blocks\":4,\"committed_blocks\":5,\"missed_views\":6,"
                "\"last_active_height\":9}");
}

static void evidence_against_a_validator_has_its_names(void **state)
{
    struct answers_consensus_evidence evidence = {.offender = bytes_of(1),
                                                  .name = span_text("v5"),
                                                  .kind = 1,
                                                  .view = 41,
                                                  .height = 44,
                                                  .tx_id = bytes_of(2),
                                                  .timestamp = 7};
    assert_json(answers_consensus_evidence(&evidence),
                "{\"offender\":\"01010101\",\"name\":\"v5\",\"kind\":\"vote\",\"view\":41,\"height\":44,"
                "\"tx_id\":\"02020202\",\"timestamp\":7}");
    evidence.kind = 2;
    json_t *value = answers_consensus_evidence(&evidence);
    assert_string_equal(json_string_value(json_object_get(value, "kind")), "proposal");
    json_decref(value);
}

static void an_anomaly_has_its_names(void **state)
{
    struct answers_anomaly anomaly = {.id = span_text("a \"b\" \xc3\xa9"),
                                      .type = span_text("scan"),
                                      .source = span_text("s"),
                                      .status = span_text("reported"),
                                      .producer = bytes_of(1),
                                      .tx_id = bytes_of(2),
                                      .severity = 10,
                                      .confidence_ppm = 900000,
                                      .height = 3,
                                      .timestamp = 7};
    assert_json(answers_anomaly(&anomaly),
                "{\"id\":\"a \\\"b\\\" \xc3\xa9\",\"type\":\"scan\",\"severity\":10,\"severity_label\":\"critical\","
                "\"confidence\":0.9,\"source\":\"s\",\"status\":\"reported\",\"producer\":\"01010101\","
                "\"block_height\":3,\"timestamp\":7,\"tx_hash\":\"02020202\"}");
    anomaly.type = span_text("\xff");
    assert_null(answers_anomaly(&anomaly));
}

static void severities_have_labels(void **state)
{
    static const char *const labels[] = {"low",  "low",  "low",      "medium",   "medium",  "high",
                                         "high", "high", "critical", "critical", "critical"};
    for (uint32_t i = 1; i < ARRAY_COUNT(labels); i++) {
        struct answers_anomaly anomaly = {.severity = i};
        json_t *value = answers_anomaly(&anomaly);
        assert_string_equal(json_string_value(json_object_get(value, "severity_label")), labels[i]);
        json_decref(value);
    }
}

static void problems_have_a_code(void **state)
{
    assert_json(answers_problem(404, "no"), "{\"type\":\"about:blank\",\"title\":\"Not found\",\"status\":404,"
                                            "\"detail\":\"no\",\"code\":\"NOT_FOUND\"}");
    static const struct {
        int status;
        const char *code;
    } cases[] = {{400, "BAD_REQUEST"}, {405, "METHOD_NOT_ALLOWED"}, {500, "INTERNAL"}, {503, "UNAVAILABLE"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        json_t *value = answers_problem(cases[i].status, "");
        assert_string_equal(json_string_value(json_object_get(value, "code")), cases[i].code);
        assert_int_equal(json_integer_value(json_object_get(value, "status")), cases[i].status);
        json_decref(value);
    }
}

static void lists_grow_or_end(void **state)
{
    json_t *list = answers_append_take(json_array(), json_true());
    assert_int_equal(json_array_size(list), 1);
    assert_null(answers_append_take(list, NULL));
    assert_null(answers_append_take(NULL, NULL));
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static size_t allocations_left;

static void *allocate(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    return malloc(size);
}

static json_t *make_block(const void *facts)
{
    return answers_block(facts);
}

static json_t *make_commit_proof(const void *facts)
{
    return answers_commit_proof(blob_span(facts));
}

static json_t *make_transaction_proof(const void *facts)
{
    return answers_transaction_proof(facts);
}

/* The first, second, .. allocation fails: no document, and (under the sanitizers) nothing is lost. */
static void assert_whole_or_none(json_t *(*make)(const void *facts), const void *facts)
{
    size_t failures = 0;
    json_t *value = NULL;
    for (; !value; failures++) {
        assert_true(failures < 10000);
        allocations_left = failures;
        json_set_alloc_funcs(allocate, free);
        value = make(facts);
        json_set_alloc_funcs(malloc, free);
    }
    json_t *whole = make(facts);
    assert_true(failures > 10 && json_equal(value, whole));
    json_decref(value);
    json_decref(whole);
}

static void without_memory_there_is_no_document(void **state)
{
    json_t *file = vectors_load("commit_proofs.json");
    struct blob proof = vectors_bytes(json_array_get(vectors_get(file, "cases"), 0), "protobuf");
    struct answers_block block = {.hash = bytes_of(1)};
    struct hash items[3] = {{{1}}, {{2}}, {{3}}};
    struct answers_transaction_proof facts = {.tx_ids = items,
                                              .receipt_hashes = items,
                                              .tx_count = 3,
                                              .index = 1,
                                              .receipt = span_text("receipt"),
                                              .commit_proof = blob_span(&proof)};
    assert_whole_or_none(make_block, &block);
    assert_whole_or_none(make_commit_proof, &proof);
    assert_whole_or_none(make_transaction_proof, &facts);
    blob_free(&proof);
    json_decref(file);
}

/* --- proofs ------------------------------------------------------------------------------------------------------- */

static void commit_proofs_are_those_of_the_vectors(void **state)
{
    json_t *file = vectors_load("commit_proofs.json");
    size_t index = 0;
    json_t *each = NULL;
    VECTORS_EACH(file, index, each)
    {
        struct blob proof = vectors_bytes(each, "protobuf");
        json_t *got = answers_commit_proof(blob_span(&proof));
        json_t *expected =
            json_pack("{s:O, s:O}", "headers", vectors_get(each, "headers"), "qc", vectors_get(each, "qc"));
        if (!json_equal(got, expected))
            fail_msg("%s", vectors_text(each, "name"));
        json_decref(got);
        json_decref(expected);
        blob_free(&proof);
    }
    json_decref(file);
}

static void what_is_no_commit_proof_is_none(void **state)
{
    assert_null(answers_commit_proof(span_text("proof")));
    assert_null(answers_commit_proof(span_of(NULL, 0)));
    assert_null(answers_commit_proof(span_text("\x0a\x01h"))); /* no certificate */
}

static ProtobufCBinaryData binary_of(json_t *hex)
{
    struct blob blob = vectors_hex(json_string_value(hex));
    return (ProtobufCBinaryData){.data = blob.data, .len = blob.size};
}

/* A commit proof's JSON form back to protobuf. */
static struct blob pack_commit(json_t *commit)
{
    Cybermesh__Proof__V1__CommitProof proof;
    Cybermesh__Proof__V1__Qc qc;
    static Cybermesh__Proof__V1__Signature signatures[ITEMS_MAX];
    Cybermesh__Proof__V1__Signature *list[ITEMS_MAX];
    ProtobufCBinaryData headers[ITEMS_MAX];
    cybermesh__proof__v1__commit_proof__init(&proof);
    cybermesh__proof__v1__qc__init(&qc);
    json_t *items = vectors_get(commit, "headers"), *certificate = vectors_get(commit, "qc");
    for (proof.n_headers = 0; proof.n_headers < json_array_size(items); proof.n_headers++)
        headers[proof.n_headers] = binary_of(json_array_get(items, proof.n_headers));
    proof.headers = headers;
    qc.view = (uint64_t)vectors_integer(certificate, "view");
    qc.height = (uint64_t)vectors_integer(certificate, "height");
    qc.block_id = binary_of(vectors_get(certificate, "block_id"));
    items = vectors_get(certificate, "signatures");
    for (qc.n_signatures = 0; qc.n_signatures < json_array_size(items); qc.n_signatures++) {
        json_t *item = json_array_get(items, qc.n_signatures);
        Cybermesh__Proof__V1__Signature *signature = &signatures[qc.n_signatures];
        cybermesh__proof__v1__signature__init(signature);
        signature->validator = (uint32_t)vectors_integer(item, "validator");
        signature->signature = binary_of(vectors_get(item, "signature"));
        list[qc.n_signatures] = signature;
    }
    qc.signatures = list;
    proof.qc = &qc;
    struct blob packed = {.size = cybermesh__proof__v1__commit_proof__get_packed_size(&proof)};
    packed.data = malloc(packed.size);
    assert_non_null(packed.data);
    cybermesh__proof__v1__commit_proof__pack(&proof, packed.data);
    for (size_t i = 0; i < proof.n_headers; i++)
        free(headers[i].data);
    for (size_t i = 0; i < qc.n_signatures; i++)
        free(signatures[i].signature.data);
    free(qc.block_id.data);
    return packed;
}

static size_t from_base64(uint8_t out[static CONTENT_BYTES_MAX], const char *text)
{
    size_t size = 0;
    assert_int_equal(sodium_base642bin(out, CONTENT_BYTES_MAX, text, strlen(text), NULL, &size, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    return size;
}

/* The good cases are the proofs of every transaction of one block: so they tell what is in it. */
static void transaction_proofs_are_those_of_the_vectors(void **state)
{
    json_t *file = vectors_load("tx_proofs.json");
    struct hash ids[ITEMS_MAX], receipts[ITEMS_MAX];
    size_t count = 0, index = 0;
    json_t *each = NULL;
    VECTORS_EACH(file, index, each)
    {
        if (!vectors_expect_ok(each))
            continue;
        uint8_t receipt[CONTENT_BYTES_MAX];
        json_t *proof = vectors_get(each, "proof");
        assert_int_equal(vectors_integer(proof, "index"), count);
        ids[count] = vectors_hash(proof, "tx_id");
        receipts[count++] = hash_of(span_of(receipt, from_base64(receipt, vectors_text(proof, "receipt"))));
    }
    assert_true(count > 1);
    VECTORS_EACH(file, index, each)
    {
        if (!vectors_expect_ok(each))
            continue;
        uint8_t receipt[CONTENT_BYTES_MAX];
        json_t *expected = vectors_get(each, "proof");
        struct blob commit = pack_commit(vectors_get(expected, "commit"));
        struct answers_transaction_proof facts = {
            .tx_ids = ids,
            .receipt_hashes = receipts,
            .tx_count = count,
            .index = (size_t)vectors_integer(expected, "index"),
            .receipt = span_of(receipt, from_base64(receipt, vectors_text(expected, "receipt"))),
            .commit_proof = blob_span(&commit)};
        json_t *got = answers_transaction_proof(&facts);
        if (!json_equal(got, expected))
            fail_msg("%s", vectors_text(each, "name"));
        json_decref(got);
        blob_free(&commit);
    }
    json_decref(file);
}

static void check_state_proof(json_t *each)
{
    json_t *expected = vectors_get(each, "proof"), *leaf = vectors_get(expected, "leaf");
    json_t *value = vectors_get(expected, "value"), *siblings = vectors_get(expected, "siblings");
    struct blob commit = pack_commit(vectors_get(expected, "commit"));
    uint8_t content[CONTENT_BYTES_MAX];
    Cybermesh__Query__V1__State answer;
    cybermesh__query__v1__state__init(&answer);
    answer.status = CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK;
    answer.height = (uint64_t)vectors_integer(expected, "height");
    answer.found = !json_is_null(value);
    if (answer.found)
        answer.value = (ProtobufCBinaryData){.data = content, .len = from_base64(content, json_string_value(value))};
    answer.has_leaf = !json_is_null(leaf);
    if (answer.has_leaf) {
        answer.leaf_key_hash = binary_of(vectors_get(leaf, "key_hash"));
        answer.leaf_value_hash = binary_of(vectors_get(leaf, "value_hash"));
    }
    answer.n_siblings = json_array_size(siblings);
    answer.siblings = calloc(answer.n_siblings + 1, sizeof *answer.siblings);
    assert_non_null(answer.siblings);
    for (size_t i = 0; i < answer.n_siblings; i++)
        answer.siblings[i] = binary_of(json_array_get(siblings, i));
    answer.proof = (ProtobufCBinaryData){.data = commit.data, .len = commit.size};
    json_t *got = NULL;
    const char *why = NULL;
    assert_int_equal(answers_state(&answer, vectors_text(each, "key"), true, &got, &why), 200);
    if (!json_equal(got, expected))
        fail_msg("%s", vectors_text(each, "name"));
    json_decref(got);
    for (size_t i = 0; i < answer.n_siblings; i++)
        free(answer.siblings[i].data);
    free(answer.siblings);
    free(answer.leaf_key_hash.data);
    free(answer.leaf_value_hash.data);
    blob_free(&commit);
}

static void state_proofs_are_those_of_the_vectors(void **state)
{
    json_t *file = vectors_load("state_proofs.json");
    size_t index = 0;
    json_t *each = NULL;
    VECTORS_EACH(file, index, each)
    {
        if (vectors_expect_ok(each))
            check_state_proof(each);
    }
    json_decref(file);
}

static void a_state_without_proof_is_short_and_what_is_not_there_says_why(void **state)
{
    Cybermesh__Query__V1__State answer;
    cybermesh__query__v1__state__init(&answer);
    json_t *got = NULL;
    const char *why = NULL;
    answer.status = CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK;
    assert_int_equal(answers_state(&answer, "a/b", true, &got, &why), 404); /* the genesis block has no proof */
    assert_int_equal(answers_state(&answer, "a/b", false, &got, &why), 200);
    assert_json(got, "{\"key\":\"a/b\",\"height\":0,\"value\":null}");
    answer.found = true; /* with the empty value */
    answer.height = 4;
    assert_int_equal(answers_state(&answer, "a/b", false, &got, &why), 200);
    assert_json(got, "{\"key\":\"a/b\",\"height\":4,\"value\":\"\"}");
    assert_int_equal(answers_state(&answer, "a/b", true, &got, &why), 500); /* executord owes the proof */
    answer.status = CYBERMESH__QUERY__V1__STATE_STATUS__STATE_HEIGHT_UNKNOWN;
    assert_int_equal(answers_state(&answer, "a/b", false, &got, &why), 404);
    assert_non_null(strstr(why, "not committed"));
    answer.status = CYBERMESH__QUERY__V1__STATE_STATUS__STATE_HEIGHT_NOT_RETAINED;
    assert_int_equal(answers_state(&answer, "a/b", true, &got, &why), 404);
    assert_non_null(strstr(why, "not kept"));
    answer.status = CYBERMESH__QUERY__V1__STATE_STATUS__STATE_UNSPECIFIED;
    assert_int_equal(answers_state(&answer, "a/b", false, &got, &why), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_has_its_names),
        cmocka_unit_test(a_transaction_has_its_names),
        cmocka_unit_test(a_validator_has_its_names),
        cmocka_unit_test(evidence_against_a_validator_has_its_names),
        cmocka_unit_test(an_anomaly_has_its_names),
        cmocka_unit_test(severities_have_labels),
        cmocka_unit_test(problems_have_a_code),
        cmocka_unit_test(lists_grow_or_end),
        cmocka_unit_test(without_memory_there_is_no_document),
        cmocka_unit_test(commit_proofs_are_those_of_the_vectors),
        cmocka_unit_test(what_is_no_commit_proof_is_none),
        cmocka_unit_test(transaction_proofs_are_those_of_the_vectors),
        cmocka_unit_test(state_proofs_are_those_of_the_vectors),
        cmocka_unit_test(a_state_without_proof_is_short_and_what_is_not_there_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
