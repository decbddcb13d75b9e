/* short_session.c - linked into an ingestd for test_ingestd.c, before librdkafka's own rd_kafka_new(): librdkafka's
 * mock cluster knows no static members, so it waits a session for each consumer that ended.
 */
#include <librdkafka/rdkafka.h>

rd_kafka_t *__real_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size);
rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size);
rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *error, size_t size)
{
    rd_kafka_conf_set(conf, "session.timeout.ms", "6000", NULL, 0);
    return __real_rd_kafka_new(type, conf, error, size);
}
