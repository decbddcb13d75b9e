/* main.c - apid: answers readers over HTTP. */
#include "common/edge/daemon.h"
#include "common/edge/log.h"
#include "services/apid/apid.h"
#include "services/apid/apid_config.h"

static int run(const void *config)
{
    CLEANUP(apid_destroy) struct apid *daemon = NULL;
    int rc = apid_new(&daemon, config);
    if (rc < 0)
        return log_failure(rc, "start");
    daemon_ready();
    rc = apid_run(daemon);
    return rc < 0 ? log_failure(rc, "run") : 0;
}

int main(int argc, char *argv[])
{
    static const struct daemon_spec spec = {
        .name = "apid",
        .summary = "answers readers over HTTP",
        .config_bytes = sizeof(struct apid_config),
        .tables = &apid_config_table,
        .table_count = 1,
        .check = apid_config_check,
        .run = run,
    };
    return daemon_main(argc, argv, &spec);
}
