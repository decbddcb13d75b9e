/* main.c - executord: executes blocks, keeps the state and its proofs. */
#include "common/edge/daemon.h"
#include "common/edge/log.h"
#include "services/executord/executord.h"
#include "services/executord/executord_config.h"

static int run(const void *config)
{
    CLEANUP(executord_destroy) struct executord *daemon = NULL;
    int rc = executord_new(&daemon, config);
    if (rc < 0)
        return log_failure(rc, "start");
    daemon_ready();
    rc = executord_run(daemon);
    return rc < 0 ? log_failure(rc, "run") : 0;
}

int main(int argc, char *argv[])
{
    static const struct daemon_spec spec = {
        .name = "executord",
        .summary = "executes blocks, keeps the state and its proofs",
        .config_bytes = sizeof(struct executord_config),
        .tables = &executord_config_table,
        .table_count = 1,
        .check = executord_config_check,
        .run = run,
    };
    return daemon_main(argc, argv, &spec);
}
