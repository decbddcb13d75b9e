/* test_pg.c - parameters byte by byte; and a PostgreSQL of the test's own, in a directory of its own and on a socket
 * there. Without the server's programs the tests that need it are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/pg.h"

static const char programs[] = "/usr/lib/postgresql/15/bin";

/* The server that all tests share. */
struct server {
    char directory[32];
    char dsn[128];
    pid_t pid; /* 0: there is none */
};

/* A database client of one test. */
struct story {
    struct server *server;
    struct pg *pg;
};

/* --- the server --------------------------------------------------------------------------------------------------- */

/* Run a program of the server's, not as root: it refuses that. Returns its process. */
static pid_t start(const char *const arguments[])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && (setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
        _exit(126);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    char *copy[16] = {NULL};
    for (size_t i = 0; arguments[i]; i++)
        copy[i] = strdup(arguments[i]);
    execv(copy[0], copy);
    _exit(127);
}

static void server_start(struct server *s)
{
    char initdb[64], postgres[64], data[64];
    snprintf(initdb, sizeof initdb, "%s/initdb", programs);
    snprintf(postgres, sizeof postgres, "%s/postgres", programs);
    if (access(initdb, X_OK) < 0 || (geteuid() == 0 && !getpwnam("postgres")))
        return;
    snprintf(s->directory, sizeof s->directory, "/tmp/pg-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    if (geteuid() == 0)
        assert_int_equal(chown(s->directory, getpwnam("postgres")->pw_uid, getpwnam("postgres")->pw_gid), 0);
    snprintf(data, sizeof data, "%s/data", s->directory);
    const char *const init[] = {initdb, "-D", data, "-A", "trust", "-U", "tester", "-N", "--locale=C.UTF-8", NULL};
    int status = 0;
    assert_int_equal(waitpid(start(init), &status, 0) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    const char *const run[] = {postgres, "-D", data, "-k", s->directory, "-h", "", "-F", NULL};
    s->pid = start(run);
    snprintf(s->dsn, sizeof s->dsn, "host=%s user=tester dbname=postgres", s->directory);
}

static struct pg *client_new(const struct server *server)
{
    const struct pg_options options = {.dsn = server->dsn, .application_name = "test_pg", .reply_timeout_ms = 20000};
    struct pg *pg = NULL;
    int rc = ERR_PEER_GONE;
    for (int i = 0; i < 200 && rc == ERR_PEER_GONE; i++) {
        rc = pg_connect(&pg, &options);
        if (rc == ERR_PEER_GONE)
            usleep(50000); /* it is still starting */
    }
    assert_int_equal(rc, 0);
    return pg;
}

static int server_setup(void **state)
{
    struct server *s = calloc(1, sizeof *s);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    server_start(s);
    *state = s;
    return 0;
}

static int server_teardown(void **state)
{
    struct server *s = *state;
    if (s->pid > 0) {
        kill(s->pid, SIGQUIT);
        waitpid(s->pid, NULL, 0);
        char command[64];
        snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
        assert_int_equal(system(command), 0);
    }
    free(s);
    return 0;
}

/* The group's state is the server; a test begins with an empty table. */
static struct story begin(void **state)
{
    struct story story = {.server = *state};
    if (story.server->pid == 0)
        skip();
    story.pg = client_new(story.server);
    assert_int_equal(pg_command(story.pg, "drop", "DROP TABLE IF EXISTS item"), 0);
    assert_int_equal(pg_command(story.pg, "create",
                                "CREATE TABLE item (id BIGINT PRIMARY KEY, small INT, name TEXT, data BYTEA, ok BOOL)"),
                     0);
    return story;
}

static void end(struct story *story)
{
    pg_destroy(&story->pg);
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static const struct pg_statement insert_one = {
    .name = "insert_one", .sql = "INSERT INTO item (id, small, name, data, ok) VALUES ($1, $2, $3, $4, $5)"};
static const struct pg_statement insert_many = {
    .name = "insert_many",
    .sql =
        "INSERT INTO item (id, small, name, data, ok) SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"};
static const struct pg_statement select_all = {.name = "select_all",
                                               .sql = "SELECT id, small, name, data, ok FROM item ORDER BY id"};
static const struct pg_statement select_count = {.name = "select_count", .sql = "SELECT count(*) FROM item"};
static const struct pg_statement select_large = {.name = "select_large",
                                                 .sql = "SELECT repeat('x', 100000)::text FROM generate_series(1, 10)"};
static const struct pg_statement select_pid = {.name = "select_pid", .sql = "SELECT pg_backend_pid()"};
static const struct pg_statement terminate = {.name = "terminate", .sql = "SELECT pg_terminate_backend($1)"};
static const struct pg_statement is_wrong = {.name = "is_wrong", .sql = "SELECT nothing FROM nowhere"};
static const struct pg_statement select_float = {.name = "select_float", .sql = "SELECT 1.5::float8"};
static const struct pg_statement sleep_long = {.name = "sleep_long", .sql = "SELECT pg_sleep(10)::text"};

static void item_params(struct pg_params *params, int64_t id)
{
    pg_params_init(params);
    pg_param_int8(params, id);
    pg_param_int4(params, -7);
    pg_param_text(params, span_text("caf\xc3\xa9"));
    pg_param_bytea(params, span_of("\0\1\xff", 3));
    pg_param_bool(params, true);
}

static int insert(struct pg *pg, int64_t id)
{
    struct pg_params params;
    item_params(&params, id);
    return pg_exec(pg, &insert_one, &params, NULL);
}

static int64_t count_items(struct pg *pg)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    assert_int_equal(pg_exec(pg, &select_count, NULL, &result), 0);
    return pg_result_int(result, 0, 0);
}

static int pipeline_insert(struct pg *pg, int64_t id)
{
    struct pg_params params;
    item_params(&params, id);
    return pg_pipeline_add(pg, &insert_one, &params);
}

/* --- parameters without a server ---------------------------------------------------------------------------------- */

static void an_array_is_dimensions_type_count_and_elements(void **state)
{
    struct pg_array array;
    struct pg_params params;
    pg_array_init(&array, PG_INT4);
    pg_array_add_int4(&array, 5);
    pg_array_add_null(&array);
    pg_array_add_int4(&array, -1);
    pg_params_init(&params);
    pg_param_array(&params, &array);
    const uint8_t expected[] = {0, 0, 0, 1, 0, 0, 0, 1, 0,   0,   0,   23,  0, 0, 0, 3, 0,   0,   0,   1,
                                0, 0, 0, 4, 0, 0, 0, 5, 255, 255, 255, 255, 0, 0, 0, 4, 255, 255, 255, 255};
    assert_int_equal(params.lengths[0], sizeof expected);
    assert_memory_equal(params.values[0], expected, sizeof expected);
    assert_int_equal(params.types[0], 1007);
    pg_array_deinit(&array);
}

static void an_empty_array_has_no_dimension(void **state)
{
    struct pg_array array;
    struct pg_params params;
    pg_array_init(&array, PG_BYTEA);
    pg_params_init(&params);
    pg_param_array(&params, &array);
    const uint8_t expected[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17};
    assert_int_equal(params.lengths[0], sizeof expected);
    assert_memory_equal(params.values[0], expected, sizeof expected);
    pg_array_deinit(&array);
}

static void a_reset_array_keeps_its_memory(void **state)
{
    struct pg_array array;
    pg_array_init(&array, PG_INT8);
    for (int i = 0; i < 1000; i++)
        pg_array_add_int8(&array, i);
    const uint8_t *data = array.data;
    size_t capacity = array.capacity;
    pg_array_reset(&array);
    for (int i = 0; i < 1000; i++)
        pg_array_add_int8(&array, i);
    assert_ptr_equal(array.data, data);
    assert_int_equal(array.capacity, capacity);
    assert_int_equal(array.count, 1000);
    pg_array_deinit(&array);
}

static void an_array_above_its_limit_is_told_where_it_is_used(void **state)
{
    struct pg_array array;
    struct pg_params params;
    static const uint8_t byte;
    pg_array_init(&array, PG_BYTEA);
    pg_array_add_bytea(&array, span_of(&byte, (size_t)PG_ARRAY_BYTES_MAX + 1)); /* not read */
    pg_array_add_bytea(&array, span_of(&byte, 1));
    pg_params_init(&params);
    pg_param_array(&params, &array);
    assert_int_equal(params.rc, ERR_TOO_LARGE);
    pg_array_deinit(&array);
}

/* --- with a server ------------------------------------------------------------------------------------------------ */

static void values_come_back_as_they_went(void **state)
{
    struct story s = begin(state);
    struct pg_params params;
    assert_int_equal(insert(s.pg, 1), 0);
    pg_params_init(&params);
    pg_param_int8(&params, INT64_MIN);
    pg_param_null(&params, PG_INT4);
    pg_param_text(&params, span_text(""));
    pg_param_bytea(&params, (struct span){0});
    pg_param_bool(&params, false);
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    assert_int_equal(pg_exec(s.pg, &insert_one, &params, &result), 0);
    assert_int_equal(pg_result_affected(result), 1);
    pg_result_destroy(&result);

    assert_int_equal(pg_exec(s.pg, &select_all, NULL, &result), 0);
    assert_int_equal(pg_result_rows(result), 2);
    assert_true(pg_result_int(result, 0, 0) == INT64_MIN);
    assert_true(pg_result_is_null(result, 0, 1));
    assert_int_equal(pg_result_int(result, 0, 1), 0);
    assert_false(pg_result_is_null(result, 0, 2));
    assert_int_equal(pg_result_span(result, 0, 3).size, 0);
    assert_false(pg_result_is_null(result, 0, 3));
    assert_int_equal(pg_result_int(result, 1, 1), -7);
    assert_true(span_equal(pg_result_span(result, 1, 2), span_text("caf\xc3\xa9")));
    assert_true(span_equal(pg_result_span(result, 1, 3), span_of("\0\1\xff", 3)));
    assert_true(pg_result_bool(result, 1, 4));
    assert_false(pg_is_cockroach(s.pg));
    end(&s);
}

static void a_value_of_another_type_reads_as_nothing(void **state)
{
    struct story s = begin(state);
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    assert_int_equal(pg_exec(s.pg, &select_float, NULL, &result), 0);
    assert_int_equal(pg_result_int(result, 0, 0), 0);
    assert_null(pg_result_span(result, 0, 0).data);
    end(&s);
}

static void many_rows_go_in_as_arrays(void **state)
{
    struct story s = begin(state);
    struct pg_array ids, smalls, names, data, oks;
    pg_array_init(&ids, PG_INT8);
    pg_array_init(&smalls, PG_INT4);
    pg_array_init(&names, PG_TEXT);
    pg_array_init(&data, PG_BYTEA);
    pg_array_init(&oks, PG_BOOL);
    for (int i = 0; i < 500; i++) {
        pg_array_add_int8(&ids, i);
        pg_array_add_int4(&smalls, i);
        i % 2 ? pg_array_add_text(&names, span_text("odd")) : pg_array_add_null(&names);
        pg_array_add_bytea(&data, span_of(&i, sizeof i));
        pg_array_add_bool(&oks, i % 2);
    }
    struct pg_params params;
    pg_params_init(&params);
    struct pg_array *const arrays[] = {&ids, &smalls, &names, &data, &oks};
    for (size_t i = 0; i < 5; i++)
        pg_param_array(&params, arrays[i]);
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    assert_int_equal(pg_exec(s.pg, &insert_many, &params, &result), 0);
    assert_int_equal(pg_result_affected(result), 500);
    pg_result_destroy(&result);
    assert_int_equal(pg_exec(s.pg, &insert_many, &params, &result), 0);
    assert_int_equal(pg_result_affected(result), 0);
    pg_result_destroy(&result);
    assert_int_equal(pg_exec(s.pg, &select_all, NULL, &result), 0);
    int number = 333;
    assert_int_equal(pg_result_int(result, 333, 1), 333);
    assert_true(span_equal(pg_result_span(result, 333, 3), span_of(&number, sizeof number)));
    assert_true(pg_result_is_null(result, 332, 2));
    for (size_t i = 0; i < 5; i++)
        pg_array_deinit(arrays[i]);
    end(&s);
}

static void a_transaction_is_one_pipeline(void **state)
{
    struct story s = begin(state);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(pg_pipeline_begin(s.pg), 0);
        assert_int_equal(pipeline_insert(s.pg, 2 * round), 0);
        assert_int_equal(pipeline_insert(s.pg, 2 * round + 1), 0);
        assert_int_equal(pg_pipeline_add(s.pg, &select_count, NULL), 0);
        assert_int_equal(pg_pipeline_commit(s.pg), 0);
        assert_int_equal(pg_result_affected(pg_pipeline_result(s.pg, 1)), 1);
        assert_int_equal(pg_result_int(pg_pipeline_result(s.pg, 2), 0, 0), 2 * round + 2);
    }
    assert_int_equal(count_items(s.pg), 4);
    end(&s);
}

static void a_duplicate_key_undoes_the_whole_transaction(void **state)
{
    struct story s = begin(state);
    assert_int_equal(insert(s.pg, 2), 0);
    assert_int_equal(insert(s.pg, 2), PG_DUPLICATE);
    assert_int_equal(pg_pipeline_begin(s.pg), 0);
    assert_int_equal(pipeline_insert(s.pg, 1), 0);
    assert_int_equal(pipeline_insert(s.pg, 2), 0);
    assert_int_equal(pg_pipeline_add(s.pg, &select_count, NULL), 0); /* skipped, so not prepared */
    assert_int_equal(pg_pipeline_commit(s.pg), PG_DUPLICATE);
    assert_int_equal(count_items(s.pg), 1);
    assert_false(pg_is_lost(s.pg));
    end(&s);
}

static void an_aborted_pipeline_writes_nothing(void **state)
{
    struct story s = begin(state);
    assert_int_equal(pg_pipeline_begin(s.pg), 0);
    assert_int_equal(pipeline_insert(s.pg, 1), 0);
    pg_pipeline_abort(s.pg);
    pg_pipeline_abort(s.pg);
    assert_int_equal(count_items(s.pg), 0);
    end(&s);
}

static void wrong_sql_is_our_fault_and_harms_nothing(void **state)
{
    struct story s = begin(state);
    assert_int_equal(pg_exec(s.pg, &is_wrong, NULL, NULL), -EIO);
    assert_int_equal(pg_command(s.pg, "wrong", "SELEKT"), -EIO);
    assert_int_equal(pg_pipeline_begin(s.pg), 0);
    assert_int_equal(pg_pipeline_add(s.pg, &is_wrong, NULL), 0);
    assert_int_equal(pg_pipeline_commit(s.pg), -EIO);
    assert_int_equal(insert(s.pg, 1), 0);
    end(&s);
}

static void a_pipeline_with_too_many_statements_is_refused(void **state)
{
    struct story s = begin(state);
    assert_int_equal(pg_pipeline_begin(s.pg), 0);
    for (int i = 0; i < PG_PIPELINE_STATEMENT_COUNT_MAX; i++)
        assert_int_equal(pipeline_insert(s.pg, i), 0);
    assert_int_equal(pipeline_insert(s.pg, 1000), ERR_FULL);
    assert_int_equal(pg_pipeline_commit(s.pg), ERR_FULL);
    assert_int_equal(count_items(s.pg), 0);
    end(&s);
}

/* 20 MB of questions and 60 MB of answers: far beyond what the sockets hold. */
static void a_large_pipeline_does_not_deadlock(void **state)
{
    struct story s = begin(state);
    enum { BYTES = 400000, ROUNDS = 60 };
    uint8_t *large = calloc(1, BYTES);
    assert_int_equal(pg_pipeline_begin(s.pg), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct pg_params params;
        pg_params_init(&params);
        pg_param_int8(&params, i);
        pg_param_int4(&params, 0);
        pg_param_text(&params, span_text("large"));
        pg_param_bytea(&params, span_of(large, BYTES));
        pg_param_bool(&params, true);
        assert_int_equal(pg_pipeline_add(s.pg, &insert_one, &params), 0);
        assert_int_equal(pg_pipeline_add(s.pg, &select_large, NULL), 0);
    }
    assert_int_equal(pg_pipeline_commit(s.pg), 0);
    assert_int_equal(pg_result_rows(pg_pipeline_result(s.pg, 2 * ROUNDS - 1)), 10);
    assert_int_equal(count_items(s.pg), ROUNDS);
    free(large);
    end(&s);
}

/* Each reads what the other writes. */
static void of_two_transactions_in_conflict_one_is_to_be_retried(void **state)
{
    struct story s = begin(state);
    struct pg *other = client_new(s.server);
    assert_int_equal(pg_command(other, "begin", "BEGIN ISOLATION LEVEL SERIALIZABLE"), 0);
    assert_int_equal(count_items(other), 0);
    assert_int_equal(insert(other, 1), 0);
    assert_int_equal(pg_pipeline_begin(s.pg), 0);
    assert_int_equal(pg_pipeline_add(s.pg, &select_count, NULL), 0);
    assert_int_equal(pipeline_insert(s.pg, 2), 0);
    assert_int_equal(pg_pipeline_commit(s.pg), 0);
    assert_int_equal(pg_command(other, "commit", "COMMIT"), PG_RETRY);
    assert_int_equal(count_items(s.pg), 1);
    pg_destroy(&other);
    end(&s);
}

static void kill_backend(struct story *s)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    struct pg *other = client_new(s->server);
    struct pg_params params;
    assert_int_equal(pg_exec(s->pg, &select_pid, NULL, &result), 0);
    pg_params_init(&params);
    pg_param_int4(&params, (int32_t)pg_result_int(result, 0, 0));
    assert_int_equal(pg_exec(other, &terminate, &params, NULL), 0);
    pg_destroy(&other);
    usleep(100000);
}

static void a_connection_lost_before_commit_or_at_it_is_told_apart(void **state)
{
    struct story s = begin(state);
    kill_backend(&s);
    assert_int_equal(insert(s.pg, 1), ERR_PEER_GONE);
    assert_true(pg_is_lost(s.pg));
    assert_int_equal(pg_pipeline_begin(s.pg), ERR_PEER_GONE);
    pg_destroy(&s.pg);

    s.pg = client_new(s.server);
    kill_backend(&s);
    assert_int_equal(pg_pipeline_begin(s.pg), 0);
    int rc = pipeline_insert(s.pg, 1);
    assert_true(rc == 0 || rc == ERR_PEER_GONE);
    assert_int_equal(pg_pipeline_commit(s.pg), rc == 0 ? PG_UNKNOWN : ERR_PEER_GONE);
    assert_true(pg_is_lost(s.pg));
    end(&s);
}

static void a_statement_that_takes_too_long_is_ended(void **state)
{
    struct story s = begin(state);
    const struct pg_options server_gives_up = {
        .dsn = s.server->dsn, .application_name = "test_pg", .statement_timeout_ms = 100};
    const struct pg_options we_give_up = {.dsn = s.server->dsn, .application_name = "test_pg", .reply_timeout_ms = 200};
    struct pg *pg = NULL;
    assert_int_equal(pg_connect(&pg, &server_gives_up), 0);
    assert_int_equal(pg_exec(pg, &sleep_long, NULL, NULL), -ETIMEDOUT);
    assert_false(pg_is_lost(pg));
    pg_destroy(&pg);
    assert_int_equal(pg_connect(&pg, &we_give_up), 0);
    assert_int_equal(pg_exec(pg, &sleep_long, NULL, NULL), ERR_PEER_GONE);
    assert_true(pg_is_lost(pg));
    pg_destroy(&pg);
    end(&s);
}

static void what_cannot_be_connected_is_told(void **state)
{
    struct pg *pg = NULL;
    struct pg_options options = {.dsn = "host=/nonexistent dbname=x user=y", .application_name = "test_pg"};
    assert_int_equal(pg_connect(&pg, &options), ERR_PEER_GONE);
    options.dsn = "no connection = 'string";
    assert_int_equal(pg_connect(&pg, &options), -EINVAL);
    options.dsn = "host=/nonexistent";
    options.password_file = "/nonexistent";
    assert_int_equal(pg_connect(&pg, &options), -ENOENT);

    char path[] = "/tmp/pg-password-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "secret\n", 7), 7);
    options.password_file = path;
    assert_int_equal(pg_connect(&pg, &options), ERR_PEER_GONE);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(pg_connect(&pg, &options), ERR_PERMISSIONS);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pg_connect(&pg, &options), ERR_MALFORMED);
    assert_null(pg);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_is_dimensions_type_count_and_elements),
        cmocka_unit_test(an_empty_array_has_no_dimension),
        cmocka_unit_test(a_reset_array_keeps_its_memory),
        cmocka_unit_test(an_array_above_its_limit_is_told_where_it_is_used),
        cmocka_unit_test(what_cannot_be_connected_is_told),
        cmocka_unit_test(values_come_back_as_they_went),
        cmocka_unit_test(a_value_of_another_type_reads_as_nothing),
        cmocka_unit_test(many_rows_go_in_as_arrays),
        cmocka_unit_test(a_transaction_is_one_pipeline),
        cmocka_unit_test(a_duplicate_key_undoes_the_whole_transaction),
        cmocka_unit_test(an_aborted_pipeline_writes_nothing),
        cmocka_unit_test(wrong_sql_is_our_fault_and_harms_nothing),
        cmocka_unit_test(a_pipeline_with_too_many_statements_is_refused),
        cmocka_unit_test(a_large_pipeline_does_not_deadlock),
        cmocka_unit_test(of_two_transactions_in_conflict_one_is_to_be_retried),
        cmocka_unit_test(a_connection_lost_before_commit_or_at_it_is_told_apart),
        cmocka_unit_test(a_statement_that_takes_too_long_is_ended),
    };
    return cmocka_run_group_tests_name("pg", tests, server_setup, server_teardown);
}
