/* test_apid.c - the program itself, between a PostgreSQL of the test's own that persistd's code filled, an executord
 * that the test plays, and readers over TCP.
 *
 *   test_apid PROGRAM
 *
 * The stories build on each other. Without the server's programs they are skipped.
 */
#include "tests/unit/base/vectors.h"
#include "tests/unit/persistd/chain.h"
#include "tests/unit/persistd/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/hex.h"
#include "common/base/merkle.h"
#include "common/edge/bus.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "proto/query.pb-c.h"
#include "services/persistd/database.h"
#include "services/persistd/migrate.h"

enum { WAIT_MS_MAX = 20000, VALUE_BYTES = 200, ANSWER_BYTES_MAX = 1 << 16, BLOCK_TXS = 5, LAST = 3 };

typedef Cybermesh__Query__V1__QueryFrame Frame;

static const char *program;

struct story {
    struct server server;
    char directory[32];
    char dsn[160];
    struct chain chain;
    struct blob proof; /* of every block but the first */
    json_t *proof_json;
    pid_t pid;
    uint16_t port;
    struct bus *bus;
    struct bus_socket *executord;
    bool is_mute;
    uint64_t asked_count;
    char asked_key[VALUE_BYTES];
};

/* --- the executord ------------------------------------------------------------------------------------------------ */

static void reply(struct story *s, const struct bus_route *route, const Frame *frame)
{
    uint8_t *bytes = malloc(cybermesh__query__v1__query_frame__get_packed_size(frame));
    assert_non_null(bytes);
    size_t size = cybermesh__query__v1__query_frame__pack(frame, bytes);
    assert_int_equal(bus_send(s->executord, route, bytes, size), 0);
    free(bytes);
}

static void tell_status(struct story *s, const struct bus_route *route)
{
    Cybermesh__Query__V1__Status status;
    cybermesh__query__v1__status__init(&status);
    Frame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS;
    frame.status = &status;
    reply(s, route, &frame);
}

/* Every key has the value "value", but for none/x. Only heights up to LAST are there. */
static void tell_state(struct story *s, const struct bus_route *route,
                       const Cybermesh__Query__V1__StateRequest *request)
{
    static uint8_t value[] = "value";
    assert_true(request->key.len < sizeof s->asked_key);
    snprintf(s->asked_key, sizeof s->asked_key, "%.*s", (int)request->key.len, (const char *)request->key.data);
    s->asked_count++;
    Cybermesh__Query__V1__State answer;
    cybermesh__query__v1__state__init(&answer);
    answer.request = request->request;
    answer.height = request->at_height ? request->height : LAST;
    answer.status = answer.height > LAST ? CYBERMESH__QUERY__V1__STATE_STATUS__STATE_HEIGHT_UNKNOWN
                                         : CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK;
    answer.found = strcmp(s->asked_key, "none/x") != 0;
    if (answer.found)
        answer.value = (ProtobufCBinaryData){.data = value, .len = 5};
    answer.proof = (ProtobufCBinaryData){.data = s->proof.data, .len = s->proof.size};
    Frame frame;
    cybermesh__query__v1__query_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE;
    frame.state = &answer;
    reply(s, route, &frame);
}

static void hear(struct story *s)
{
    struct bus_message message;
    while (bus_receive(s->executord, &message) == 0) {
        Frame *frame = cybermesh__query__v1__query_frame__unpack(NULL, message.payload.size, message.payload.data);
        assert_non_null(frame);
        if (!s->is_mute && frame->body_case == CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST)
            tell_state(s, &message.route, frame->state_request);
        else if (!s->is_mute)
            tell_status(s, &message.route);
        cybermesh__query__v1__query_frame__free_unpacked(frame, NULL);
        bus_message_deinit(&message);
    }
}

/* --- the reader --------------------------------------------------------------------------------------------------- */

struct answer {
    int status;
    char text[ANSWER_BYTES_MAX]; /* head and body */
    const char *body;
};

static struct answer answer;

/* Send these bytes, read until the program closes. */
static void talk(struct story *s, const char *bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
    size_t size = 0;
    for (uint64_t until_ms = loop_now_ms() + WAIT_MS_MAX;;) {
        assert_true(loop_now_ms() < until_ms);
        hear(s);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 2) <= 0)
            continue;
        ssize_t got = recv(fd, answer.text + size, sizeof answer.text - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    close(fd);
    answer.text[size] = '\0';
    answer.status = size > 12 ? atoi(answer.text + 9) : 0;
    const char *end = strstr(answer.text, "\r\n\r\n");
    answer.body = end ? end + 4 : "";
}

static int ask(struct story *s, const char *path)
{
    char request[2 * VALUE_BYTES];
    snprintf(request, sizeof request, "GET /api/v1/%s HTTP/1.1\r\nHost: test\r\n\r\n", path);
    talk(s, request);
    return answer.status;
}

/* The document at this path; the caller ends it. */
static json_t *get(struct story *s, const char *path)
{
    if (ask(s, path) != 200)
        fail_msg("%s: %s", path, answer.text);
    assert_non_null(strstr(answer.text, "Content-Type: application/json\r\n"));
    json_t *value = json_loads(answer.body, 0, NULL);
    assert_non_null(value);
    return value;
}

static void assert_problem(int status, const char *code)
{
    if (answer.status != status)
        fail_msg("wants %d: %s", status, answer.text);
    assert_non_null(strstr(answer.text, "Content-Type: application/problem+json\r\n"));
    json_t *problem = json_loads(answer.body, 0, NULL);
    assert_int_equal(vectors_integer(problem, "status"), status);
    assert_string_equal(vectors_text(problem, "code"), code);
    assert_true(strlen(vectors_text(problem, "detail")) > 0);
    json_decref(problem);
}

/* --- begin and end ------------------------------------------------------------------------------------------------ */

static void fill_database(struct story *s)
{
    struct database *database = NULL;
    struct database_options options = {
        .dsn = s->dsn, .steps = migrate_steps, .step_count = migrate_step_count, .chain_id = s->chain.chain_id};
    struct persist_tip tip;
    assert_int_equal(database_new(&database, &options), 0);
    assert_int_equal(database_open(database, &tip), 0);
    struct chain_run run = chain_run(&s->chain, 0, LAST + 1);
    struct rows rows;
    const char *why;
    rows_init(&rows, 1);
    assert_int_equal(rows_build(&rows, run.outcomes, LAST + 1, &why), 0);
    assert_int_equal(database_write(database, &rows, &tip), 0);
    rows_deinit(&rows);
    chain_run_end(&run);
    database_destroy(&database);
    char *hex = malloc(2 * s->proof.size + 1), *sql = malloc(2 * s->proof.size + VALUE_BYTES);
    hex_encode(hex, s->proof.data, s->proof.size);
    sprintf(sql, "UPDATE blocks SET proof = decode('%s', 'hex') WHERE height > 0", hex);
    server_run(s->dsn, sql);
    free(hex);
    free(sql);
}

static void load_proof(struct story *s)
{
    json_t *file = vectors_load("commit_proofs.json");
    json_t *first = json_array_get(vectors_get(file, "cases"), 0);
    assert_true(vectors_expect_ok(first));
    s->proof = vectors_bytes(first, "protobuf");
    s->proof_json = json_pack("{s:O, s:O}", "headers", vectors_get(first, "headers"), "qc", vectors_get(first, "qc"));
    json_decref(file);
}

static void start(struct story *s)
{
    char text[4][VALUE_BYTES];
    snprintf(text[0], VALUE_BYTES, "GENESIS_FILE=%s/genesis.json", s->directory);
    snprintf(text[1], VALUE_BYTES, "DB_DSN=%s", s->dsn);
    snprintf(text[2], VALUE_BYTES, "QUERY_EXECUTORD_ENDPOINT=ipc://ipc/query.sock");
    snprintf(text[3], VALUE_BYTES, "NODE_NAME=v1");
    char listen[] = "API_LISTEN=127.0.0.1:0", admin[] = "ADMIN_LISTEN=127.0.0.1:0", threads[] = "API_THREADS=4";
    char *environment[] = {text[0], text[1], text[2], text[3], listen, admin, threads, NULL};
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid > 0)
        return;
    char log[VALUE_BYTES];
    snprintf(log, sizeof log, "%s/log", s->directory);
    dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
    char *arguments[] = {strdup("apid"), NULL};
    if (chdir(s->directory) == 0)
        execve(program, arguments, environment);
    _exit(127);
}

/* The port stands in the log. */
static uint16_t port_of(const struct story *s)
{
    char path[VALUE_BYTES], line[4096];
    snprintf(path, sizeof path, "%s/log", s->directory);
    unsigned port = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, "event=api.listening");
        at = at ? strstr(at, " port=") : NULL;
        port = at ? (unsigned)atoi(at + strlen(" port=")) : port;
    }
    if (file)
        fclose(file);
    return (uint16_t)port;
}

static void write_file(const struct story *s, const char *name, const char *text)
{
    char path[VALUE_BYTES];
    snprintf(path, sizeof path, "%s/%s", s->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int begin(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    *state = s;
    server_start(&s->server);
    if (s->server.pid == 0)
        return 0;
    snprintf(s->directory, sizeof s->directory, "/tmp/apid-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    char path[VALUE_BYTES], endpoint[VALUE_BYTES];
    snprintf(path, sizeof path, "%s/ipc", s->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(s, "genesis.json", "{}\n");
    load_proof(s);
    chain_begin(&s->chain);
    for (int i = 0; i < LAST; i++)
        chain_add_anomalies(&s->chain, i == 0 ? "a" : i == 1 ? "b" : "c", BLOCK_TXS);
    server_database(&s->server, "story", s->dsn);
    fill_database(s);
    assert_int_equal(bus_new(&s->bus), 0);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/ipc/query.sock", s->directory);
    struct bus_options options = {
        .name = "query", .endpoint = endpoint, .frame_bytes_max = 1 << 20, .queue_count_max = 100};
    assert_int_equal(bus_router_bind(&s->executord, s->bus, &options), 0);
    start(s);
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX && s->port == 0; waited_ms += 10) {
        usleep(10000);
        s->port = port_of(s);
    }
    assert_true(s->port > 0);
    return 0;
}

static int end(void **state)
{
    struct story *s = *state;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    bus_socket_close(&s->executord);
    bus_destroy(&s->bus);
    server_stop(&s->server);
    if (s->directory[0]) {
        chain_end(&s->chain);
        blob_free(&s->proof);
        json_decref(s->proof_json);
        char command[64];
        snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
        assert_int_equal(system(command), 0);
    }
    free(s);
    return 0;
}

static struct story *given(void **state)
{
    struct story *s = *state;
    if (s->server.pid == 0)
        skip();
    return s;
}

/* Ask until the answer has this status. */
static void wait_status(struct story *s, const char *path, int status)
{
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX && ask(s, path) != status; waited_ms += 50)
        usleep(50000);
    assert_int_equal(answer.status, status);
}

/* --- stories ------------------------------------------------------------------------------------------------------ */

static void it_becomes_ready(void **state)
{
    struct story *s = given(state);
    wait_status(s, "ready", 200);
    json_t *health = get(s, "health");
    assert_string_equal(vectors_text(health, "status"), "ok");
    json_decref(health);
    assert_int_equal(ask(s, "metrics"), 200);
    assert_non_null(strstr(answer.body, "cybermesh_apid_requests_total{route=\"health\"} 1"));
    assert_non_null(strstr(answer.body, "cybermesh_apid_requests_in_flight 1"));
}

static void blocks_are_told(void **state)
{
    struct story *s = given(state);
    json_t *latest = get(s, "blocks/latest"), *block = get(s, "blocks/3"), *genesis = get(s, "blocks/0");
    assert_true(json_equal(latest, block));
    struct hash hash = vectors_hash(block, "hash");
    assert_memory_equal(hash.bytes, s->chain.ids[3].bytes, HASH_BYTES);
    assert_int_equal(vectors_integer(block, "transaction_count"), BLOCK_TXS);
    assert_int_equal(vectors_integer(block, "timestamp_ms"), CHAIN_CREATED_MS + 3000);
    assert_int_equal(vectors_integer(genesis, "height"), 0);
    json_t *root = get(s, "state/root");
    assert_int_equal(vectors_integer(root, "height"), 3);
    assert_string_equal(vectors_text(root, "root"), vectors_text(block, "state_root"));
    json_decref(root);
    json_decref(latest);
    json_decref(block);
    json_decref(genesis);
    ask(s, "blocks/4");
    assert_problem(404, "NOT_FOUND");
    ask(s, "blocks/9007199254740992");
    assert_problem(404, "NOT_FOUND");
}

static void assert_page(struct story *s, const char *path, int start, size_t count, int next)
{
    json_t *page = get(s, path), *pagination = vectors_get(page, "pagination"), *blocks = vectors_get(page, "blocks");
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
    struct story *s = given(state);
    assert_page(s, "blocks", 0, 4, -1);
    assert_page(s, "blocks?limit=2", 2, 2, -1);
    assert_page(s, "blocks?start=0&limit=3", 0, 3, 3);
    assert_page(s, "blocks?start=3&limit=3", 3, 1, -1);
    assert_page(s, "blocks?start=4", 4, 0, -1);
}

static void commit_proofs_are_told(void **state)
{
    struct story *s = given(state);
    json_t *proof = get(s, "blocks/2/proof");
    assert_true(json_equal(proof, s->proof_json));
    json_decref(proof);
    ask(s, "blocks/0/proof");
    assert_problem(404, "NOT_FOUND");
    ask(s, "blocks/4/proof");
    assert_problem(404, "NOT_FOUND");
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
    struct story *s = given(state);
    json_t *anomalies = get(s, "anomalies?limit=100"), *list = vectors_get(anomalies, "anomalies"), *each;
    assert_int_equal(vectors_integer(anomalies, "count"), LAST * BLOCK_TXS);
    size_t i;
    json_array_foreach(list, i, each)
    {
        char path[VALUE_BYTES];
        snprintf(path, sizeof path, "transactions/%s", vectors_text(each, "tx_hash"));
        json_t *transaction = get(s, path);
        assert_string_equal(vectors_text(transaction, "kind"), "anomaly");
        assert_string_equal(vectors_text(transaction, "event_id"), vectors_text(each, "id"));
        assert_int_equal(vectors_integer(transaction, "height"), vectors_integer(each, "block_height"));
        strcat(path, "/proof");
        json_t *proof = get(s, path);
        assert_int_equal(vectors_integer(proof, "index"), vectors_integer(transaction, "index"));
        snprintf(path, sizeof path, "blocks/%d", (int)vectors_integer(transaction, "height"));
        json_t *block = get(s, path);
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
    ask(s, "transactions/0000000000000000000000000000000000000000000000000000000000000000");
    assert_problem(404, "NOT_FOUND");
    ask(s, "transactions/0000000000000000000000000000000000000000000000000000000000000000/proof");
    assert_problem(404, "NOT_FOUND");
}

static void the_newest_anomalies_come_first(void **state)
{
    struct story *s = given(state);
    json_t *anomalies = get(s, "anomalies?limit=6"), *list = vectors_get(anomalies, "anomalies");
    assert_int_equal(json_array_size(list), 6);
    assert_string_equal(vectors_text(json_array_get(list, 0), "id"), "c-4");
    assert_string_equal(vectors_text(json_array_get(list, 5), "id"), "b-4");
    assert_string_equal(vectors_text(json_array_get(list, 0), "severity_label"), "high");
    assert_non_null(strstr(answer.body, "\"confidence\":0.5,"));
    json_decref(anomalies);
}

static void validators_are_told_with_their_blocks(void **state)
{
    struct story *s = given(state);
    json_t *all = get(s, "validators"), *list = vectors_get(all, "validators");
    assert_int_equal(vectors_integer(all, "total"), CHAIN_VALIDATORS);
    json_t *second = json_array_get(list, 1);
    assert_string_equal(vectors_text(second, "name"), "v2");
    assert_string_equal(vectors_text(second, "status"), "active");
    assert_int_equal(vectors_integer(second, "proposed_blocks"), 1);
    assert_int_equal(vectors_integer(second, "last_active_height"), 1);
    char path[VALUE_BYTES];
    snprintf(path, sizeof path, "validators/%s", vectors_text(second, "id"));
    json_t *one = get(s, path);
    assert_true(json_equal(one, second));
    json_decref(one);
    json_decref(all);
    ask(s, "validators/0000000000000000000000000000000000000000000000000000000000000000");
    assert_problem(404, "NOT_FOUND");
}

static void the_state_comes_from_executord(void **state)
{
    struct story *s = given(state);
    json_t *value = get(s, "state/anomaly%2Fa%20b");
    assert_string_equal(s->asked_key, "anomaly/a b");
    assert_string_equal(vectors_text(value, "value"), "dmFsdWU=");
    assert_int_equal(json_object_size(value), 3);
    json_decref(value);
    value = get(s, "state/none%2Fx?proof=true&height=2");
    assert_true(json_is_null(vectors_get(value, "value")));
    assert_true(json_is_null(vectors_get(value, "leaf")));
    assert_int_equal(vectors_integer(value, "height"), 2);
    assert_true(json_equal(vectors_get(value, "commit"), s->proof_json));
    json_decref(value);
    ask(s, "state/a?height=4");
    assert_problem(404, "NOT_FOUND");
}

static void what_never_changes_may_be_kept(void **state)
{
    struct story *s = given(state);
    static const char *const kept[] = {"blocks/2", "blocks/2/proof"}, *const not [] = {"blocks/latest", "blocks"};
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
        assert_int_equal(ask(s, kept[i]), 200);
        assert_non_null(strstr(answer.text, "Cache-Control: public, max-age=31536000, immutable\r\n"));
        const char *etag = strstr(answer.text, "ETag: ");
        assert_non_null(etag);
        char request[2 * VALUE_BYTES];
        snprintf(request, sizeof request, "GET /api/v1/%s HTTP/1.1\r\nHost: test\r\nIf-None-Match: %.34s\r\n\r\n",
                 kept[i], etag + strlen("ETag: "));
        talk(s, request);
        assert_int_equal(answer.status, 304);
        assert_string_equal(answer.body, "");
        assert_null(strstr(answer.text, "Content-Length"));
    }
    for (size_t i = 0; i < ARRAY_COUNT(not ); i++) {
        assert_int_equal(ask(s, not [i]), 200);
        assert_non_null(strstr(answer.text, "Cache-Control: no-store\r\n"));
        assert_null(strstr(answer.text, "ETag"));
    }
}

static void every_answer_carries_the_same_headers(void **state)
{
    struct story *s = given(state);
    static const char *const headers[] = {"X-Request-Id: ", "X-Content-Type-Options: nosniff\r\n",
                                          "Content-Security-Policy: default-src 'none'", "Connection: close\r\n"};
    static const char *const paths[] = {"health", "blocks/1", "nope", "blocks/x"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        ask(s, paths[i]);
        for (size_t k = 0; k < ARRAY_COUNT(headers); k++)
            assert_non_null(strstr(answer.text, headers[k]));
        assert_null(strstr(answer.text, "Access-Control"));
    }
}

static void bad_requests_are_refused_by_problem(void **state)
{
    struct story *s = given(state);
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
        talk(s, cases[i].request);
        assert_problem(cases[i].status, cases[i].code);
    }
    char whole[VALUE_BYTES];
    snprintf(whole, sizeof whole, "GET http://127.0.0.1:%u/api/v1/health HTTP/1.1\r\nHost: a\r\n\r\n", s->port);
    talk(s, whole);
    assert_int_equal(answer.status, 200);
    talk(s, "GET /api/v1/health HTTP/1.0\r\n\r\n");
    assert_int_equal(answer.status, 200);
    talk(s, "HEAD /api/v1/blocks/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "");
}

static void long_requests_are_refused_by_problem(void **state)
{
    struct story *s = given(state);
    static const size_t sizes[] = {5000, 20000};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        char *text = malloc(sizes[i] + VALUE_BYTES);
        int head = sprintf(text, "GET /api/v1/state/");
        memset(text + head, 'k', sizes[i]);
        strcpy(text + (size_t)head + sizes[i], " HTTP/1.1\r\nHost: a\r\n\r\n");
        talk(s, text);
        assert_problem(400, "BAD_REQUEST");
        free(text);
    }
}

static void a_silent_executord_is_unavailable_and_comes_back(void **state)
{
    struct story *s = given(state);
    s->is_mute = true;
    uint64_t began_ms = loop_now_ms();
    ask(s, "state/a");
    assert_problem(503, "UNAVAILABLE");
    assert_true(loop_now_ms() - began_ms >= 1900 && loop_now_ms() - began_ms < 6000);
    assert_int_equal(ask(s, "blocks/1"), 200);
    wait_status(s, "ready", 503);
    s->is_mute = false;
    assert_int_equal(ask(s, "state/a"), 200);
    wait_status(s, "ready", 200);
}

static void a_database_that_is_away_is_unavailable_and_comes_back(void **state)
{
    struct story *s = given(state);
    server_run(s->server.dsn, "DROP DATABASE story WITH (FORCE)");
    ask(s, "blocks/1");
    assert_problem(503, "UNAVAILABLE");
    ask(s, "transactions/0000000000000000000000000000000000000000000000000000000000000000");
    assert_problem(503, "UNAVAILABLE");
    wait_status(s, "ready", 503);
    assert_problem(503, "UNAVAILABLE");
    assert_int_equal(ask(s, "health"), 200);
    assert_int_equal(ask(s, "state/a"), 200);
    server_database(&s->server, "story", s->dsn);
    fill_database(s);
    wait_status(s, "ready", 200);
    assert_int_equal(ask(s, "blocks/1"), 200);
}

static void it_ends_when_told(void **state)
{
    struct story *s = given(state);
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
    program = realpath(argv[1], NULL);
    if (!program)
        return EXIT_FAILURE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_becomes_ready),
        cmocka_unit_test(blocks_are_told),
        cmocka_unit_test(blocks_are_listed_by_pages),
        cmocka_unit_test(commit_proofs_are_told),
        cmocka_unit_test(every_transaction_is_told_and_proved),
        cmocka_unit_test(the_newest_anomalies_come_first),
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
    return cmocka_run_group_tests(tests, begin, end);
}
