/* main.c - ingestd: everything Kafka: signed events in, dead letters and commit notices out. */
#include "common/edge/daemon.h"
#include "common/edge/log.h"
#include "services/ingestd/ingestd.h"
#include "services/ingestd/ingestd_config.h"

static int run(const void *config)
{
    CLEANUP(ingestd_destroy) struct ingestd *daemon = NULL;
    int rc = ingestd_new(&daemon, config);
    if (rc < 0)
        return log_failure(rc, "start");
    daemon_ready();
    rc = ingestd_run(daemon);
    return rc < 0 ? log_failure(rc, "run") : 0;
}

int main(int argc, char *argv[])
{
    static const struct daemon_spec spec = {
        .name = "ingestd",
        .summary = "verifies events from Kafka, publishes dead letters and commit notices",
        .config_bytes = sizeof(struct ingestd_config),
        .tables = &ingestd_config_table,
        .table_count = 1,
        .check = ingestd_config_check,
        .run = run,
    };
    return daemon_main(argc, argv, &spec);
}
