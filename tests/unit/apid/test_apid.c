/* test_apid.c - the program itself, between a PostgreSQL of the test's own that persistd's code filled, an executord
 * that the test plays, and readers over TCP.
 *
 *   test_apid PROGRAM
 *
 * The stories build on each other. Without the server's programs they are skipped.
 */
#include "tests/unit/apid/story.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/hex.h"
#include "common/base/merkle.h"
#include "common/edge/loop.h"

static void it_becomes_ready(void **state)
{
    struct story *s = story_given(state);
    story_wait(s, "ready", 200);
    json_t *health = story_get(s, "health");
    assert_string_equal(vectors_text(health, "status"), "ok");
    json_decref(health);
    assert_int_equal(story_ask(s, "metrics"), 200);
    assert_non_null(strstr(story_answer.body, "cybermesh_apid_requests_total{route=\"health\"} 1"));
    assert_non_null(strstr(story_answer.body, "cybermesh_apid_requests_in_flight 1"));
}

static void blocks_are_told(void **state)
{
    struct story *s = story_given(state);
    json_t *latest = story_get(s, "blocks/latest"), *block = story_get(s, "blocks/3"),
           *genesis = story_get(s, "blocks/0");
    assert_true(json_equal(latest, block));
    struct hash hash = vectors_hash(block, "hash");
    assert_memory_equal(hash.bytes, s->chain.ids[3].bytes, HASH_BYTES);
    assert_int_equal(vectors_integer(block, "transaction_count"), BLOCK_TXS);
    assert_int_equal(vectors_integer(block, "timestamp_ms"), CHAIN_CREATED_MS + 3000);
    assert_int_equal(vectors_integer(genesis, "height"), 0);
    json_t *root = story_get(s, "state/root");
    assert_int_equal(vectors_integer(root, "height"), 3);
    assert_string_equal(vectors_text(root, "root"), vectors_text(block, "state_root"));
    json_decref(root);
    json_decref(latest);
    json_decref(block);
    json_decref(genesis);
    story_ask(s, "blocks/4");
    story_problem(404, "NOT_FOUND");
    story_ask(s, "blocks/9007199254740992");
    story_problem(404, "NOT_FOUND");
}

static void assert_page(struct story *s, const char *path, int start, size_t count, int next)
{
    json_t *page = story_get(s, path), *pagination = vectors_get(page, "pagination"),
           *blocks = vectors_get(page, "blocks");
    assert_int_equal(json_array_size(blocks), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(vectors_integer(json_array_get(blocks, i), "height"), start + (int)i);
    assert_int_equal(vectors_integer(pagination, "start"), start);
    assert_int_equal(vectors_integer(pagination, "total"), LAST + 1);
    if (next < 0)
        assert_true(json_is_null(vectors_get(pagination, "next")));
    else
        assert_int_equal(vectors_integer(pagination, "next"), next);
    json_decref(page);
}

static void blocks_are_listed_by_pages(void **state)
{
    struct story *s = story_given(state);
    assert_page(s, "blocks", 0, 4, -1);
    assert_page(s, "blocks?limit=2", 2, 2, -1);
    assert_page(s, "blocks?start=0&limit=3", 0, 3, 3);
    assert_page(s, "blocks?start=3&limit=3", 3, 1, -1);
    assert_page(s, "blocks?start=4", 4, 0, -1);
}

static void commit_proofs_are_told(void **state)
{
    struct story *s = story_given(state);
    json_t *proof = story_get(s, "blocks/2/proof");
    assert_true(json_equal(proof, s->proof_json));
    json_decref(proof);
    story_ask(s, "blocks/0/proof");
    story_problem(404, "NOT_FOUND");
    story_ask(s, "blocks/4/proof");
    story_problem(404, "NOT_FOUND");
}

static size_t path_of(struct hash out[static MERKLE_PATH_MAX], json_t *list)
{
    size_t count = json_array_size(list);
    assert_true(count <= MERKLE_PATH_MAX);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(hex_decode(out[i].bytes, HASH_BYTES, json_string_value(json_array_get(list, i))), 0);
    return count;
}

static void every_transaction_is_told_and_proved(void **state)
{
    struct story *s = story_given(state);
    json_t *anomalies = story_get(s, "anomalies?limit=100"), *list = vectors_get(anomalies, "anomalies"), *each;
    assert_int_equal(vectors_integer(anomalies, "count"), LAST * BLOCK_TXS);
    size_t i;
    json_array_foreach(list, i, each)
    {
        char path[VALUE_BYTES];
        snprintf(path, sizeof path, "transactions/%s", vectors_text(each, "tx_hash"));
        json_t *transaction = story_get(s, path);
        assert_string_equal(vectors_text(transaction, "kind"), "anomaly");
        assert_string_equal(vectors_text(transaction, "event_id"), vectors_text(each, "id"));
        assert_int_equal(vectors_integer(transaction, "height"), vectors_integer(each, "block_height"));
        snprintf(path, sizeof path, "transactions/%s/proof", vectors_text(each, "tx_hash"));
        json_t *proof = story_get(s, path);
        assert_int_equal(vectors_integer(proof, "index"), vectors_integer(transaction, "index"));
        snprintf(path, sizeof path, "blocks/%d", (int)vectors_integer(transaction, "height"));
        json_t *block = story_get(s, path);
        struct hash root = vectors_hash(block, "tx_root"), id = vectors_hash(each, "tx_hash");
        struct hash siblings[MERKLE_PATH_MAX];
        size_t count = path_of(siblings, vectors_get(proof, "path"));
        assert_int_equal(merkle_verify(&root, &id, BLOCK_TXS, (size_t)vectors_integer(proof, "index"), siblings, count),
                         0);
        assert_true(json_equal(vectors_get(proof, "commit"), s->proof_json));
        json_decref(block);
        json_decref(proof);
        json_decref(transaction);
    }
    json_decref(anomalies);
    story_ask(s, "transactions/0000000000000000000000000000000000000000000000000000000000000000");
    story_problem(404, "NOT_FOUND");
    story_ask(s, "transactions/0000000000000000000000000000000000000000000000000000000000000000/proof");
    story_problem(404, "NOT_FOUND");
}

static void the_newest_anomalies_come_first(void **state)
{
    struct story *s = story_given(state);
    json_t *anomalies = story_get(s, "anomalies?limit=6"), *list = vectors_get(anomalies, "anomalies");
    assert_int_equal(json_array_size(list), 6);
    assert_string_equal(vectors_text(json_array_get(list, 0), "id"), "c-4");
    assert_string_equal(vectors_text(json_array_get(list, 5), "id"), "b-4");
    assert_string_equal(vectors_text(json_array_get(list, 0), "severity_label"), "high");
    assert_non_null(strstr(story_answer.body, "\"confidence\":0.5,"));
    json_decref(anomalies);
}

static void validators_are_told_with_their_blocks(void **state)
{
    struct story *s = story_given(state);
    json_t *all = story_get(s, "validators"), *list = vectors_get(all, "validators");
    assert_int_equal(vectors_integer(all, "total"), CHAIN_VALIDATORS);
    json_t *second = json_array_get(list, 1);
    assert_string_equal(vectors_text(second, "name"), "v2");
    assert_string_equal(vectors_text(second, "status"), "active");
    assert_int_equal(vectors_integer(second, "proposed_blocks"), 1);
    assert_int_equal(vectors_integer(second, "reputation_ppm"), 900001);
    assert_int_equal(vectors_integer(second, "committed_blocks"), 2);
    assert_int_equal(vectors_integer(second, "missed_views"), 3);
    assert_int_equal(vectors_integer(second, "last_active_height"), 1);
    char path[VALUE_BYTES];
    snprintf(path, sizeof path, "validators/%s", vectors_text(second, "id"));
    json_t *one = story_get(s, path);
    assert_true(json_equal(one, second));
    json_decref(one);
    json_decref(all);
    story_ask(s, "validators/0000000000000000000000000000000000000000000000000000000000000000");
    story_problem(404, "NOT_FOUND");
}

static void evidence_against_validators_is_listed(void **state)
{
    struct story *s = story_given(state);
    json_t *evidence = story_get(s, "consensus/evidence"), *list = vectors_get(evidence, "evidence");
    assert_int_equal(vectors_integer(evidence, "count"), 1);
    const json_t *one = json_array_get(list, 0);
    struct hash offender = chain_validator(2), told = vectors_hash(one, "offender");
    assert_true(hash_equal(&offender, &told));
    assert_string_equal(vectors_text(one, "name"), "v3");
    assert_string_equal(vectors_text(one, "kind"), "vote");
    assert_int_equal(vectors_integer(one, "view"), 41);
    assert_int_equal(vectors_integer(one, "height"), LAST);
    assert_int_equal(vectors_integer(one, "timestamp"), 1700000003);
    json_decref(evidence);
    story_ask(s, "consensus/evidence?limit=3");
    story_problem(400, "BAD_REQUEST");
    story_ask(s, "consensus");
    story_problem(404, "NOT_FOUND");
}

static void the_state_comes_from_executord(void **state)
{
    struct story *s = story_given(state);
    json_t *value = story_get(s, "state/anomaly%2Fa%20b");
    assert_string_equal(s->asked_key, "anomaly/a b");
    assert_string_equal(vectors_text(value, "value"), "dmFsdWU=");
    assert_int_equal(json_object_size(value), 3);
    json_decref(value);
    value = story_get(s, "state/none%2Fx?proof=true&height=2");
    assert_true(json_is_null(vectors_get(value, "value")));
    assert_true(json_is_null(vectors_get(value, "leaf")));
    assert_int_equal(vectors_integer(value, "height"), 2);
    assert_true(json_equal(vectors_get(value, "commit"), s->proof_json));
    json_decref(value);
    story_ask(s, "state/a?height=4");
    story_problem(404, "NOT_FOUND");
}

static void what_never_changes_may_be_kept(void **state)
{
    struct story *s = story_given(state);
    static const char *const kept[] = {"blocks/2", "blocks/2/proof"}, *const not [] = {"blocks/latest", "blocks"};
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
        assert_int_equal(story_ask(s, kept[i]), 200);
        assert_non_null(strstr(story_answer.text, "Cache-Control: public, max-age=31536000, immutable\r\n"));
        const char *etag = strstr(story_answer.text, "ETag: ");
        assert_non_null(etag);
        char request[2 * VALUE_BYTES];
        snprintf(request, sizeof request, "GET /api/v1/%s HTTP/1.1\r\nHost: test\r\nIf-None-Match: %.34s\r\n\r\n",
                 kept[i], etag + strlen("ETag: "));
        story_talk(s, request);
        assert_int_equal(story_answer.status, 304);
        assert_string_equal(story_answer.body, "");
        assert_null(strstr(story_answer.text, "Content-Length"));
    }
    for (size_t i = 0; i < ARRAY_COUNT(not ); i++) {
        assert_int_equal(story_ask(s, not [i]), 200);
        assert_non_null(strstr(story_answer.text, "Cache-Control: no-store\r\n"));
        assert_null(strstr(story_answer.text, "ETag"));
    }
}

static void every_answer_carries_the_same_headers(void **state)
{
    struct story *s = story_given(state);
    static const char *const headers[] = {"X-Request-Id: ", "X-Content-Type-Options: nosniff\r\n",
                                          "Content-Security-Policy: default-src 'none'", "Connection: close\r\n"};
    static const char *const paths[] = {"health", "blocks/1", "nope", "blocks/x"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        story_ask(s, paths[i]);
        for (size_t k = 0; k < ARRAY_COUNT(headers); k++)
            assert_non_null(strstr(story_answer.text, headers[k]));
        assert_null(strstr(story_answer.text, "Access-Control"));
    }
}

static void bad_requests_are_refused_by_problem(void **state)
{
    struct story *s = story_given(state);
    static const struct {
        const char *request;
        int status;
        const char *code;
    } cases[] = {
        {"GET /api/v1/blocks/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BAD_REQUEST"},
        {"GET /api/v1/blocks?limit=101 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BAD_REQUEST"},
        {"GET /api/v1/state/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BAD_REQUEST"},
        {"GET /api/v1/nope HTTP/1.1\r\nHost: a\r\n\r\n", 404, "NOT_FOUND"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404, "NOT_FOUND"},
        {"GET /api/v1/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404, "NOT_FOUND"},
        {"POST /api/v1/health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 405, "METHOD_NOT_ALLOWED"},
        {"DELETE /api/v1/blocks/1 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "METHOD_NOT_ALLOWED"},
        {"OPTIONS /api/v1/health HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: "
         "GET\r\n\r\n",
         405, "METHOD_NOT_ALLOWED"},
        {"GET /api/v1/health HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"},
        {"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "BAD_REQUEST"},
        {"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         400, "BAD_REQUEST"},
        {"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 400, "BAD_REQUEST"},
        {"NONSENSE\r\n\r\n", 400, "BAD_REQUEST"},
        {"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "BAD_REQUEST"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        story_talk(s, cases[i].request);
        story_problem(cases[i].status, cases[i].code);
    }
    char whole[VALUE_BYTES];
    snprintf(whole, sizeof whole, "GET http://127.0.0.1:%u/api/v1/health HTTP/1.1\r\nHost: a\r\n\r\n", s->port);
    story_talk(s, whole);
    assert_int_equal(story_answer.status, 200);
    story_talk(s, "GET /api/v1/health HTTP/1.0\r\n\r\n");
    assert_int_equal(story_answer.status, 200);
    story_talk(s, "HEAD /api/v1/blocks/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(story_answer.status, 200);
    assert_string_equal(story_answer.body, "");
}

static void long_requests_are_refused_by_problem(void **state)
{
    struct story *s = story_given(state);
    static const size_t sizes[] = {5000, 20000};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        char *text = malloc(sizes[i] + VALUE_BYTES);
        int head = sprintf(text, "GET /api/v1/state/");
        memset(text + head, 'k', sizes[i]);
        sprintf(text + (size_t)head + sizes[i], " HTTP/1.1\r\nHost: a\r\n\r\n");
        story_talk(s, text);
        story_problem(400, "BAD_REQUEST");
        free(text);
    }
}

static void a_silent_executord_is_unavailable_and_comes_back(void **state)
{
    struct story *s = story_given(state);
    s->is_mute = true;
    uint64_t began_ms = loop_now_ms();
    story_ask(s, "state/a");
    story_problem(503, "UNAVAILABLE");
    assert_true(loop_now_ms() - began_ms >= 1900 && loop_now_ms() - began_ms < 6000);
    assert_int_equal(story_ask(s, "blocks/1"), 200);
    story_wait(s, "ready", 503);
    s->is_mute = false;
    assert_int_equal(story_ask(s, "state/a"), 200);
    story_wait(s, "ready", 200);
}

static void a_database_that_is_away_is_unavailable_and_comes_back(void **state)
{
    struct story *s = story_given(state);
    server_run(s->server.dsn, "DROP DATABASE story WITH (FORCE)");
    story_ask(s, "blocks/1");
    story_problem(503, "UNAVAILABLE");
    story_ask(s, "transactions/0000000000000000000000000000000000000000000000000000000000000000");
    story_problem(503, "UNAVAILABLE");
    story_wait(s, "ready", 503);
    story_problem(503, "UNAVAILABLE");
    assert_int_equal(story_ask(s, "health"), 200);
    assert_int_equal(story_ask(s, "state/a"), 200);
    server_database(&s->server, "story", s->dsn);
    story_fill(s);
    story_wait(s, "ready", 200);
    assert_int_equal(story_ask(s, "blocks/1"), 200);
}

static void it_ends_when_told(void **state)
{
    struct story *s = story_given(state);
    kill(s->pid, SIGTERM);
    int status = -1;
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX && waitpid(s->pid, &status, WNOHANG) == 0; waited_ms += 10)
        usleep(10000);
    s->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char *argv[])
{
    if (argc < 2)
        return EXIT_FAILURE;
    story_program = realpath(argv[1], NULL);
    if (!story_program)
        return EXIT_FAILURE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_becomes_ready),
        cmocka_unit_test(blocks_are_told),
        cmocka_unit_test(blocks_are_listed_by_pages),
        cmocka_unit_test(commit_proofs_are_told),
        cmocka_unit_test(every_transaction_is_told_and_proved),
        cmocka_unit_test(the_newest_anomalies_come_first),
        cmocka_unit_test(evidence_against_validators_is_listed),
        cmocka_unit_test(validators_are_told_with_their_blocks),
        cmocka_unit_test(the_state_comes_from_executord),
        cmocka_unit_test(what_never_changes_may_be_kept),
        cmocka_unit_test(every_answer_carries_the_same_headers),
        cmocka_unit_test(bad_requests_are_refused_by_problem),
        cmocka_unit_test(long_requests_are_refused_by_problem),
        cmocka_unit_test(a_silent_executord_is_unavailable_and_comes_back),
        cmocka_unit_test(a_database_that_is_away_is_unavailable_and_comes_back),
        cmocka_unit_test(it_ends_when_told),
    };
    return cmocka_run_group_tests(tests, story_begin, story_end);
}
