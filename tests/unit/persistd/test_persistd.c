/* test_persistd.c - the program itself, between an executord that the test plays and a PostgreSQL of the test's own.
 *
 *   test_persistd PROGRAM
 *
 * Without the server's programs the tests are skipped.
 */
#include "tests/unit/persistd/chain.h"
#include "tests/unit/persistd/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "proto/feed.pb-c.h"
#include "proto/outcome.pb-c.h"
#include "services/persistd/outcome_codec.h"

enum { WAIT_MS_MAX = 20000, FRAME_BYTES_MAX = 32 << 20, VALUE_BYTES = 200 };

typedef Cybermesh__Feed__V1__FeedFrame Frame;
typedef Cybermesh__Outcome__V1__OutcomeFrame OutcomeFrame;

static const char *program;

struct story {
    struct server server;
    char directory[32];
    char dsn[160];
    struct chain chain;
    pid_t pid;
    struct bus *bus;
    struct bus_socket *executord;
    struct bus_socket *feed;
    struct bus_socket *sub;
    /* what the executord heard */
    struct bus_route route;
    bool asked;
    uint64_t asked_first;
    bool acked;
    uint64_t acked_height;
    unsigned certificates; /* how often it was told what the database has */
    char certificate[32];  /* the last one: text, in these tests */
};

/* --- the program -------------------------------------------------------------------------------------------------- */

static void hear(struct story *s)
{
    struct bus_message message;
    while (bus_receive(s->executord, &message) == 0) {
        OutcomeFrame *frame =
            cybermesh__outcome__v1__outcome_frame__unpack(NULL, message.payload.size, message.payload.data);
        assert_non_null(frame);
        s->route = message.route;
        if (frame->body_case == CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_ASK) {
            s->asked = true;
            s->asked_first = frame->ask->height_first;
        } else if (frame->body_case == CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_GENESIS) {
            const ProtobufCBinaryData *certificate = &frame->genesis->certificate;
            assert_true(certificate->len < sizeof s->certificate);
            snprintf(s->certificate, sizeof s->certificate, "%.*s", (int)certificate->len,
                     certificate->data ? (const char *)certificate->data : "");
            s->certificates++;
        } else {
            assert_int_equal(frame->body_case, CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_ACK);
            s->acked = true;
            s->acked_height = frame->ack->height;
        }
        cybermesh__outcome__v1__outcome_frame__free_unpacked(frame, NULL);
        bus_message_deinit(&message);
    }
    bus_socket_tend(s->feed, loop_now_ms());
    bus_socket_tend(s->sub, loop_now_ms());
}

static void start(struct story *s)
{
    char text[6][VALUE_BYTES];
    snprintf(text[0], VALUE_BYTES, "GENESIS_FILE=%s/genesis.json", s->directory);
    snprintf(text[1], VALUE_BYTES, "DB_DSN=%s", s->dsn);
    snprintf(text[2], VALUE_BYTES, "OUTCOME_ENDPOINT=ipc://ipc/outcome.sock");
    snprintf(text[3], VALUE_BYTES, "FEED_ENDPOINT=ipc://ipc/feed.sock");
    snprintf(text[4], VALUE_BYTES, "FEED_PUB_ENDPOINT=ipc://ipc/feed_pub.sock");
    snprintf(text[5], VALUE_BYTES, "NODE_NAME=v1");
    char admin[] = "ADMIN_LISTEN=127.0.0.1:0";
    char *environment[] = {text[0], text[1], text[2], text[3], text[4], text[5], admin, NULL};
    usleep(50000); /* what a killed one said is heard, and forgotten */
    hear(s);
    s->asked = s->acked = false;
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    char log[VALUE_BYTES];
    snprintf(log, sizeof log, "%s/log", s->directory);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    char *arguments[] = {strdup("persistd"), NULL};
    if (chdir(s->directory) == 0)
        execve(program, arguments, environment);
    _exit(127);
}

static int wait_end(struct story *s)
{
    int status = 0;
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX; waited_ms += 10) {
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            s->pid = 0;
            return status;
        }
        usleep(10000);
    }
    fail_msg("persistd does not end");
    return -1;
}

/* --- the test's ends of the arrows -------------------------------------------------------------------------------- */

static struct bus_options options_of(const struct story *s, const char *name, char *endpoint)
{
    snprintf(endpoint, VALUE_BYTES, "ipc://%s/ipc/%s.sock", s->directory, name);
    return (struct bus_options){
        .name = name, .endpoint = endpoint, .frame_bytes_max = FRAME_BYTES_MAX, .queue_count_max = 100};
}

static void open_sockets(struct story *s)
{
    char endpoint[VALUE_BYTES];
    assert_int_equal(bus_new(&s->bus), 0);
    struct bus_options options = options_of(s, "outcome", endpoint);
    assert_int_equal(bus_router_bind(&s->executord, s->bus, &options), 0);
    options = options_of(s, "feed", endpoint);
    assert_int_equal(bus_dealer_connect(&s->feed, s->bus, &options), 0);
    options = options_of(s, "feed_pub", endpoint);
    assert_int_equal(bus_sub_connect(&s->sub, s->bus, &options), 0);
    assert_int_equal(bus_subscribe(s->sub, "blocks"), 0);
}

#define WAIT_UNTIL(s, condition)                                                                                       \
    do {                                                                                                               \
        int waited_ms_ = 0;                                                                                            \
        for (hear(s); !(condition) && waited_ms_ < WAIT_MS_MAX; waited_ms_ += 5) {                                     \
            usleep(5000);                                                                                              \
            hear(s);                                                                                                   \
        }                                                                                                              \
        assert_true(condition);                                                                                        \
    } while (0)

/* Send blocks to who asked last; one that was killed since does not get them. */
static void tell(struct story *s, const struct chain *chain, uint64_t first, size_t count)
{
    struct span frame = chain_frame(chain, first, count);
    int rc = bus_send(s->executord, &s->route, frame.data, frame.size);
    assert_true(rc == 0 || rc == ERR_PEER_GONE);
    free((void *)(uintptr_t)frame.data);
}

static void tell_certificate(struct story *s, const char *text)
{
    uint8_t bytes[64];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    outcome_codec_put_genesis(&writer, span_text(text));
    assert_int_equal(bus_send(s->executord, &s->route, bytes, writer.size), 0);
}

/* Answer questions until this height is acknowledged. */
static void deliver(struct story *s, uint64_t last)
{
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX; waited_ms += 5) {
        hear(s);
        if (s->acked && s->acked_height == last)
            return;
        if (s->asked && s->asked_first <= last)
            tell(s, &s->chain, s->asked_first, (size_t)(last + 1 - s->asked_first));
        s->asked = false;
        usleep(5000);
    }
    fail_msg("height %d is not acknowledged", (int)last);
}

/* The answer's bytes on the heap, with its frame. */
static Frame *ask(struct story *s, const Frame *question, struct span *bytes)
{
    uint8_t *packed = malloc(cybermesh__feed__v1__feed_frame__get_packed_size(question));
    size_t size = cybermesh__feed__v1__feed_frame__pack(question, packed);
    struct bus_message message;
    int rc = -EAGAIN;
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX && rc != 0; waited_ms += 5) {
        if (waited_ms % 500 == 0)
            (void)!bus_send(s->feed, NULL, packed, size);
        usleep(5000);
        hear(s);
        rc = bus_receive(s->feed, &message);
    }
    assert_int_equal(rc, 0);
    uint8_t *copy = malloc(message.payload.size);
    memcpy(copy, message.payload.data, message.payload.size);
    *bytes = span_of(copy, message.payload.size);
    Frame *frame = cybermesh__feed__v1__feed_frame__unpack(NULL, bytes->size, bytes->data);
    assert_non_null(frame);
    bus_message_deinit(&message);
    free(packed);
    return frame;
}

static Frame *ask_range(struct story *s, uint64_t first, struct span *bytes)
{
    Cybermesh__Feed__V1__RangeRequest range;
    cybermesh__feed__v1__range_request__init(&range);
    range.request = 1;
    range.height_first = first;
    range.count_max = 64;
    Frame frame;
    cybermesh__feed__v1__feed_frame__init(&frame);
    frame.version = 1;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_RANGE_REQUEST;
    frame.range_request = &range;
    return ask(s, &frame, bytes);
}

static void done(Frame *frame, struct span bytes)
{
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);
    free((void *)(uintptr_t)bytes.data);
}

static uint64_t heard_height(struct story *s)
{
    struct bus_message message;
    int rc = -EAGAIN;
    for (int waited_ms = 0; waited_ms < WAIT_MS_MAX && rc != 0; waited_ms += 5) {
        usleep(5000);
        rc = bus_receive(s->sub, &message);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(message.topic, "blocks");
    Frame *frame = cybermesh__feed__v1__feed_frame__unpack(NULL, message.payload.size, message.payload.data);
    assert_non_null(frame);
    assert_int_equal(frame->body_case, CYBERMESH__FEED__V1__FEED_FRAME__BODY_PERSISTED);
    uint64_t height = frame->persisted->height;
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);
    bus_message_deinit(&message);
    return height;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void write_genesis(struct story *s)
{
    struct genesis genesis = {.created_ms = CHAIN_CREATED_MS, .parameters = genesis_parameters_default()};
    strcpy(genesis.network, "test");
    genesis.validator_count = 1;
    struct genesis_validator *validator = &genesis.validators[0];
    strcpy(validator->name, "v1");
    memset(validator->sign_key.bytes, 1, sizeof validator->sign_key.bytes);
    memset(validator->control_key.bytes, 2, sizeof validator->control_key.bytes);
    memset(validator->consensus_curve_key, 3, sizeof validator->consensus_curve_key);
    memset(validator->mempool_curve_key, 4, sizeof validator->mempool_curve_key);
    char path[VALUE_BYTES];
    snprintf(path, sizeof path, "%s/genesis.json", s->directory);
    assert_int_equal(genesis_file_write(path, &genesis), 0);
    struct genesis *loaded = NULL;
    assert_int_equal(genesis_file_load(path, &loaded), 0);
    chain_begin_with(&s->chain, &loaded->chain_id);
    genesis_destroy(&loaded);
}

static int begin(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    *state = s;
    server_start(&s->server);
    if (s->server.pid == 0)
        return 0;
    snprintf(s->directory, sizeof s->directory, "/tmp/persistd-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    char path[VALUE_BYTES];
    snprintf(path, sizeof path, "%s/ipc", s->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    server_database(&s->server, "story", s->dsn);
    write_genesis(s);
    open_sockets(s);
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
    bus_socket_close(&s->feed);
    bus_socket_close(&s->sub);
    bus_destroy(&s->bus);
    server_stop(&s->server);
    if (s->directory[0]) {
        chain_end(&s->chain);
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

/* --- stories ------------------------------------------------------------------------------------------------------ */

static void killed_at_any_moment_it_goes_on_from_the_databases_height(void **state)
{
    struct story *s = given(state);
    start(s);
    deliver(s, 0);
    WAIT_UNTIL(s, bus_socket_is_connected(s->sub));
    for (int i = 0; i < 40; i++)
        chain_add_anomalies(&s->chain, "a", 5);
    deliver(s, 3);
    uint64_t heard = heard_height(s);
    for (; heard < 3; heard++)
        assert_int_equal(heard_height(s), heard + 1);

    struct span memory, database;
    Frame *from_memory = ask_range(s, 0, &memory);
    assert_int_equal(from_memory->range->n_blocks, 4);
    assert_int_equal(from_memory->range->height_last, 3);
    assert_int_equal(from_memory->range->blocks[3]->n_tx_ids, 5);

    kill(s->pid, SIGKILL);
    wait_end(s);
    start(s);
    WAIT_UNTIL(s, s->asked);
    assert_int_equal(s->asked_first, 4);
    Frame *from_database = ask_range(s, 0, &database);
    assert_int_equal(database.size, memory.size);
    assert_memory_equal(database.data, memory.data, memory.size);
    done(from_memory, memory);
    done(from_database, database);

    for (uint64_t height = 4; height < 40; height += 4) { /* killed while it writes */
        WAIT_UNTIL(s, s->asked);
        uint64_t first = s->asked_first;
        assert_in_range(first, 4, height);
        tell(s, &s->chain, first, (size_t)(height + 4 - first));
        usleep((useconds_t)(height * 300));
        kill(s->pid, SIGKILL);
        wait_end(s);
        start(s);
    }
    deliver(s, 40);
    assert_int_equal(server_number(s->dsn, "SELECT count(*) FROM blocks"), 41);
    assert_int_equal(server_number(s->dsn, "SELECT count(*) FROM transactions"), 40 * 5);
    assert_int_equal(server_number(s->dsn, "SELECT count(*) FROM receipts"), 40 * 5);
    kill(s->pid, SIGTERM);
    assert_int_equal(wait_end(s), 0);
}

static void the_database_may_go_away_and_come_back(void **state)
{
    struct story *s = given(state);
    start(s);
    deliver(s, 0);
    for (uint64_t height = 1; height < 6; height++) {
        chain_add_anomalies(&s->chain, "a", 5);
        server_run(s->dsn,
                   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'persistd%'");
        deliver(s, height);
    }
    assert_int_equal(server_number(s->dsn, "SELECT count(*) FROM transactions"), 25);
}

static void garbage_is_dropped(void **state)
{
    struct story *s = given(state);
    start(s);
    deliver(s, 0);
    chain_add_anomalies(&s->chain, "a", 2);
    struct span frame = chain_frame(&s->chain, 1, 1);
    uint8_t *bad = malloc(frame.size);
    for (size_t size = 0; size < frame.size; size += 37) {
        memcpy(bad, frame.data, frame.size);
        bad[size] ^= 0x55;
        assert_int_equal(bus_send(s->executord, &s->route, bad, size), 0);
        (void)!bus_send(s->feed, NULL, bad, size);
        hear(s);
    }
    free(bad);
    free((void *)(uintptr_t)frame.data);
    deliver(s, 1);
    kill(s->pid, SIGTERM);
    assert_int_equal(wait_end(s), 0);
}

static void a_block_that_differs_ends_it(void **state)
{
    struct story *s = given(state);
    chain_add_anomalies(&s->chain, "a", 2);
    start(s);
    deliver(s, 1);
    struct chain other;
    chain_begin_with(&other, &s->chain.chain_id);
    chain_add_anomalies(&other, "b", 2);
    chain_add_anomalies(&other, "c", 2);
    WAIT_UNTIL(s, s->asked && s->asked_first == 2);
    tell(s, &other, 2, 1);
    int status = wait_end(s);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_int_equal(server_number(s->dsn, "SELECT count(*) FROM blocks"), 2);
    chain_end(&other);
}

static void the_first_genesis_certificate_stays_in_the_database(void **state)
{
    struct story *s = given(state);
    start(s);
    WAIT_UNTIL(s, s->certificates > 0);
    assert_string_equal(s->certificate, "");
    tell_certificate(s, "the first");
    WAIT_UNTIL(s, s->certificates > 1);
    assert_string_equal(s->certificate, "the first");
    tell_certificate(s, "the second");
    deliver(s, 0);
    kill(s->pid, SIGKILL);
    wait_end(s);
    s->certificate[0] = '\0';
    start(s);
    unsigned before = s->certificates;
    WAIT_UNTIL(s, s->certificates > before);
    assert_string_equal(s->certificate, "the first");
    assert_int_equal(server_number(s->dsn, "SELECT count(*) FROM genesis_certificates"), 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        STORY(killed_at_any_moment_it_goes_on_from_the_databases_height),
        STORY(the_database_may_go_away_and_come_back),
        STORY(garbage_is_dropped),
        STORY(the_first_genesis_certificate_stays_in_the_database),
        STORY(a_block_that_differs_ends_it),
    };
    if (argc < 2)
        return EXIT_FAILURE;
    program = realpath(argv[1], NULL); /* it is started in another directory */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
