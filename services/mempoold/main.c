/* main.c - mempoold: holds transactions until they are in a block. */
#include "common/edge/daemon.h"
#include "common/edge/log.h"
#include "services/mempoold/mempoold.h"

static int run(const void *config)
{
    CLEANUP(mempoold_destroy) struct mempoold *daemon = NULL;
    int rc = mempoold_new(&daemon, config);
    if (rc < 0)
        return log_failure(rc, "start");
    daemon_ready();
    return mempoold_run(daemon);
}

int main(int argc, char *argv[])
{
    static const struct daemon_spec spec = {
        .name = "mempoold",
        .summary = "holds transactions until they are in a block",
        .config_bytes = sizeof(struct mempoold_config),
        .tables = &mempoold_config_table,
        .table_count = 1,
        .check = mempoold_config_check,
        .run = run,
    };
    return daemon_main(argc, argv, &spec);
}
