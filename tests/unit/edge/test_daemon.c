/* test_daemon.c - what main() does: each story is a child process with its own options and environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/daemon.h"
#include "common/edge/log.h"

struct sample_config {
    struct config_common common;
    uint64_t threads;
    char *secret;
};

static const struct config_key keys[] = {
    {.name = "VERIFY_THREADS",
     .type = CONFIG_INTEGER,
     .fallback = "2",
     .min = 1,
     .max = 64,
     .offset = offsetof(struct sample_config, threads),
     .help = "Threads."},
    {.name = "DB_SECRET",
     .type = CONFIG_TEXT,
     .flags = CONFIG_OPTIONAL | CONFIG_SECRET,
     .offset = offsetof(struct sample_config, secret),
     .help = "Secret."},
};
static const struct config_table key_table = CONFIG_TABLE(keys);

/* Exit codes of the child say nothing else: -EPROTO is "not as daemon.h says". */
static bool is_hardened(void)
{
    struct rlimit core;
    struct sigaction pipe_action;
    mode_t mask = umask(0);
    umask(mask);
    return mask == 077 && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 &&
           prctl(PR_GET_DUMPABLE) == 0 && sigaction(SIGPIPE, NULL, &pipe_action) == 0 &&
           pipe_action.sa_handler == SIG_IGN;
}

static int run_well(const void *config)
{
    const struct sample_config *sample = config;
    if (!is_hardened() || sched_getscheduler(0) != SCHED_BATCH || sample->threads != 2)
        return -EPROTO;
    daemon_ready();
    return 0;
}

static int run_badly(const void *config)
{
    return log_failure(-EADDRINUSE, "start");
}

static int check_badly(const void *config)
{
    return config_problem("VERIFY_THREADS", "2", "more than the machine has");
}

struct story {
    struct daemon_spec spec;
    char *environment[8];
    char out[16384];
    char log[16384];
};

static int story_setup(void **state)
{
    static struct story s;
    static char node[] = "NODE_NAME=v1";
    static char genesis[] = "GENESIS_FILE=/proc/self/status";
    static char listen[] = "ADMIN_LISTEN=127.0.0.1:0";
    memset(&s, 0, sizeof s);
    s.spec = (struct daemon_spec){.name = "sampled",
                                  .summary = "does nothing",
                                  .config_bytes = sizeof(struct sample_config),
                                  .tables = &key_table,
                                  .table_count = 1,
                                  .run = run_well};
    s.environment[0] = node;
    s.environment[1] = genesis;
    s.environment[2] = listen;
    *state = &s;
    return 0;
}

static void file_text(char *out, size_t size, int fd)
{
    ssize_t length = pread(fd, out, size - 1, 0);
    out[length > 0 ? length : 0] = '\0';
    close(fd);
}

/* Run the daemon with one option (or none); returns its exit code. */
static int started(struct story *s, const char *option)
{
    int out_fd = memfd_create("out", 0);
    int log_fd = memfd_create("log", 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char name[] = "sampled";
        char *argv[] = {name, option ? strdup(option) : NULL, NULL};
        dup2(out_fd, STDOUT_FILENO);
        dup2(log_fd, STDERR_FILENO);
        environ = s->environment;
        int code = daemon_main(option ? 2 : 1, argv, &s->spec);
        fflush(NULL);
        _exit(code);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    file_text(s->out, sizeof s->out, out_fd);
    file_text(s->log, sizeof s->log, log_fd);
    return WEXITSTATUS(status);
}

static void a_daemon_runs_hardened_and_ends_with_0(void **state)
{
    struct story *s = *state;
    assert_int_equal(started(s, NULL), DAEMON_EXIT_OK);
    assert_non_null(strstr(s->log, "proc=sampled node=v1 event=daemon.starting"));
    assert_non_null(strstr(s->log, "event=daemon.ready"));
    assert_non_null(strstr(s->log, "event=daemon.stopped\n"));
    assert_string_equal(s->out, "");
}

static void a_failure_ends_with_1_and_says_why(void **state)
{
    struct story *s = *state;
    s->spec.run = run_badly;
    assert_int_equal(started(s, NULL), DAEMON_EXIT_FAILURE);
    assert_non_null(strstr(s->log, "event=daemon.failed what=start error=\"Address already in use\""));
    assert_non_null(strstr(s->log, "event=daemon.stopped error=\"Address already in use\""));
}

static void a_wrong_configuration_ends_with_2_before_anything_runs(void **state)
{
    static char threads[] = "VERIFY_THREADS=0";
    struct story *s = *state;
    s->environment[3] = threads;
    assert_int_equal(started(s, NULL), DAEMON_EXIT_USAGE);
    assert_non_null(strstr(s->log, "event=config.invalid key=VERIFY_THREADS value=\"0\" wants="));
    assert_null(strstr(s->log, "daemon.starting"));
    assert_int_equal(started(s, "--check"), DAEMON_EXIT_USAGE);
    assert_int_equal(started(s, "--print-config"), DAEMON_EXIT_USAGE);
}

static void the_own_check_of_a_daemon_counts_too(void **state)
{
    struct story *s = *state;
    s->spec.check = check_badly;
    assert_int_equal(started(s, "--check"), DAEMON_EXIT_USAGE);
    assert_non_null(strstr(s->log, "wants=\"more than the machine has\""));
    assert_int_equal(started(s, NULL), DAEMON_EXIT_USAGE);
}

static void check_says_that_a_configuration_is_valid_and_runs_nothing(void **state)
{
    struct story *s = *state;
    assert_int_equal(started(s, "--check"), DAEMON_EXIT_OK);
    assert_string_equal(s->out, "sampled: configuration is valid\n");
    assert_string_equal(s->log, "");
}

static void print_config_masks_secrets(void **state)
{
    static char secret[] = "DB_SECRET=swordfish";
    struct story *s = *state;
    s->environment[3] = secret;
    assert_int_equal(started(s, "--print-config"), DAEMON_EXIT_OK);
    assert_string_equal(s->out, "NODE_NAME=v1\n"
                                "GENESIS_FILE=/proc/self/status\n"
                                "LOG_LEVEL=info\n"
                                "ADMIN_LISTEN=127.0.0.1:0\n"
                                "VERIFY_THREADS=2\n"
                                "DB_SECRET=***\n");
}

static void help_and_version_need_no_configuration(void **state)
{
    struct story *s = *state;
    s->environment[0] = NULL;
    assert_int_equal(started(s, "--help"), DAEMON_EXIT_OK);
    assert_non_null(strstr(s->out, "sampled - does nothing\n"));
    assert_non_null(strstr(s->out, "GENESIS_FILE"));
    assert_non_null(strstr(s->out, "VERIFY_THREADS"));
    assert_int_equal(started(s, "--version"), DAEMON_EXIT_OK);
    char expected[64];
    snprintf(expected, sizeof expected, "sampled %s\n", daemon_version());
    assert_string_equal(s->out, expected);
}

static void a_wrong_option_ends_with_2(void **state)
{
    struct story *s = *state;
    assert_int_equal(started(s, "--chekc"), DAEMON_EXIT_USAGE);
    assert_int_equal(started(s, ""), DAEMON_EXIT_USAGE);
    assert_string_equal(s->out, "");
    assert_non_null(strstr(s->log, "usage: sampled"));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup(name, story_setup)
    const struct CMUnitTest tests[] = {
        STORY(a_daemon_runs_hardened_and_ends_with_0),
        STORY(a_failure_ends_with_1_and_says_why),
        STORY(a_wrong_configuration_ends_with_2_before_anything_runs),
        STORY(the_own_check_of_a_daemon_counts_too),
        STORY(check_says_that_a_configuration_is_valid_and_runs_nothing),
        STORY(print_config_masks_secrets),
        STORY(help_and_version_need_no_configuration),
        STORY(a_wrong_option_ends_with_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
