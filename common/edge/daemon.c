/* daemon.c - what the main() of every daemon does. */
#include "common/edge/daemon.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/edge/log.h"

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_HELP, ACTION_VERSION, ACTION_COUNT };

static const char *const options[ACTION_COUNT] = {
    [ACTION_CHECK] = "--check",
    [ACTION_PRINT] = "--print-config",
    [ACTION_HELP] = "--help",
    [ACTION_VERSION] = "--version",
};

const char *daemon_version(void)
{
    return CYBERMESH_VERSION;
}

void daemon_ready(void)
{
    log_info("daemon.ready", "version=%s pid=%d", CYBERMESH_VERSION, (int)getpid());
}

/* One option at most. Returns ACTION_COUNT when it is not known. */
static enum action action_of(int argc, char *argv[])
{
    if (argc < 2)
        return ACTION_RUN;
    for (enum action action = ACTION_CHECK; action < ACTION_COUNT; action++) {
        if (argc == 2 && strcmp(argv[1], options[action]) == 0)
            return action;
    }
    return ACTION_COUNT;
}

static void usage(FILE *out, const struct daemon_spec *spec)
{
    fprintf(out,
            "%s - %s\n\n"
            "usage: %s [--check | --print-config | --help | --version]\n\n"
            "  --check         check the configuration and exit (0: valid, 2: not)\n"
            "  --print-config  print the configuration, secrets masked, and exit\n"
            "  --help          print this and exit\n"
            "  --version       print the version and exit\n\n"
            "It is configured by environment variables and stops at SIGTERM or SIGINT.\n",
            spec->name, spec->summary, spec->name);
}

/* Secrets are in memory: nobody but us may look into it, dead or alive. */
static int harden(void)
{
    const struct rlimit none = {0};
    umask(077);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return -errno;
    return sodium_init() < 0 ? -EIO : 0;
}

/* A thread that is woken waits until the one on its processor sleeps, or its time is over. A message goes through the
 * threads of several processes, each of which sleeps right after it woke the next: to be interrupted between the two
 * would cost it a switch more. */
static void wait_for_turn(void)
{
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_BATCH, &none) < 0) /* a sandbox may refuse: it costs CPU, nothing else */
        log_info("daemon.no_batch", "error=\"%s\"", err_text(-errno));
}

static int work(const struct daemon_spec *spec, const void *config)
{
    int rc = harden();
    if (rc < 0)
        return log_failure(rc, "harden");
    wait_for_turn();
    log_info("daemon.starting", "version=%s", CYBERMESH_VERSION);
    rc = spec->run(config);
    if (rc < 0)
        log_error("daemon.stopped", "error=\"%s\" rc=%d", err_text(rc), rc);
    else
        log_info("daemon.stopped");
    return rc;
}

static int with_config(const struct daemon_spec *spec, struct config_tables tables, enum action action, void *config)
{
    int rc = config_load(config, tables, (const char *const *)environ);
    if (rc < 0)
        return rc;
    const struct config_common *common = config;
    log_open(spec->name, common->node_name, (enum log_level)common->log_level);
    rc = spec->check ? spec->check(config) : 0;
    if (rc == 0 && action == ACTION_RUN)
        rc = work(spec, config);
    else if (rc == 0 && action == ACTION_PRINT)
        config_print(stdout, config, tables);
    else if (rc == 0)
        printf("%s: configuration is valid\n", spec->name);
    config_free(config, tables);
    return rc;
}

static int exit_of(int rc)
{
    enum daemon_exit code = rc >= 0 ? DAEMON_EXIT_OK : rc == ERR_CONFIG ? DAEMON_EXIT_USAGE : DAEMON_EXIT_FAILURE;
    return (int)code;
}

int daemon_main(int argc, char *argv[], const struct daemon_spec *spec)
{
    assert(spec->config_bytes >= sizeof(struct config_common));
    assert(spec->table_count < CONFIG_TABLE_COUNT_MAX);
    struct config_table all[CONFIG_TABLE_COUNT_MAX] = {config_common_table};
    for (size_t i = 0; i < spec->table_count; i++)
        all[i + 1] = spec->tables[i];
    struct config_tables tables = {.tables = all, .count = spec->table_count + 1};

    enum action action = action_of(argc, argv);
    if (action == ACTION_COUNT) {
        usage(stderr, spec);
        return DAEMON_EXIT_USAGE;
    }
    if (action == ACTION_HELP) {
        usage(stdout, spec);
        printf("\nEnvironment:\n\n");
        config_help(stdout, tables);
        return DAEMON_EXIT_OK;
    }
    if (action == ACTION_VERSION) {
        printf("%s %s\n", spec->name, CYBERMESH_VERSION);
        return DAEMON_EXIT_OK;
    }
    log_open(spec->name, NULL, LOG_LEVEL_INFO);
    void *config = calloc(1, spec->config_bytes);
    if (!config)
        return exit_of(log_failure(-ENOMEM, "configuration"));
    int rc = with_config(spec, tables, action, config);
    free(config);
    return exit_of(rc);
}
