/* feed_database.c - answers to the feed's questions from the database. */
#include "services/persistd/feed_store.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/tx.h"
#include "common/edge/pg.h"

enum { REPLY_MS_MAX = 20000, STATEMENT_MS_MAX = 10000 };

struct feed_store {
    const char *dsn;
    const char *password_file;
    struct pg *pg;
};

static const struct pg_statement read_height = {.name = "feed_height",
                                                .sql = "SELECT height::int8 FROM blocks ORDER BY height DESC LIMIT 1"};

static const struct pg_statement read_blocks = {
    .name = "feed_blocks",
    .sql = "SELECT height::int8, hash::bytea, header::bytea, proof::bytea, anomaly_count::int4, evidence_count::int4, "
           "policy_count::int4 FROM blocks WHERE height >= $1::int8 ORDER BY height LIMIT $2::int8"};

static const struct pg_statement read_txs = {
    .name = "feed_transactions",
    .sql = "SELECT tx_id::bytea, kind::int4, CASE WHEN kind = 1 THEN event_id END::text FROM transactions "
           "WHERE height = $1::int8 ORDER BY height, idx"};

static const struct pg_statement read_changed = {
    .name = "feed_changed_producers",
    .sql = "SELECT key::bytea, name::text, roles::int4, active FROM producers WHERE height = $1::int8 ORDER BY key"};

static const struct pg_statement read_producers = {
    .name = "feed_producers",
    .sql = "SELECT p.key::bytea, p.name::text, p.roles::int4, p.active, b.height::int8 FROM "
           "(SELECT max(height) AS height FROM blocks) AS b LEFT JOIN producers AS p ON true ORDER BY p.key"};

static const struct pg_statement read_known = {
    .name = "feed_lookup", .sql = "SELECT tx_id::bytea FROM transactions WHERE tx_id = ANY($1::bytea[])"};

int feed_store_new(struct feed_store **out, const char *dsn, const char *password_file)
{
    struct feed_store *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->dsn = dsn;
    self->password_file = password_file;
    *out = self;
    return 0;
}

void feed_store_destroy(struct feed_store **self)
{
    if (!self || !*self)
        return;
    pg_destroy(&(*self)->pg);
    free(*self);
    *self = NULL;
}

static int query(struct feed_store *self, const struct pg_statement *statement, const struct pg_params *params,
                 struct pg_result **result)
{
    int rc = pg_exec(self->pg, statement, params, result);
    return rc > 0 ? ERR_RETRY : rc;
}

static int query_by_height(struct feed_store *self, const struct pg_statement *statement, uint64_t height,
                           struct pg_result **result)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, (int64_t)height);
    return query(self, statement, &params, result);
}

/* Room for a frame that put() writes. */
#define WRITE_FRAME(put, value, out_bytes, out_size)                                                                   \
    __extension__({                                                                                                    \
        struct bytes_writer counter_ = bytes_writer_of(NULL, 0);                                                       \
        put(&counter_, (value));                                                                                       \
        uint8_t *bytes_ = malloc(counter_.size + 1);                                                                   \
        if (bytes_) {                                                                                                  \
            struct bytes_writer writer_ = bytes_writer_of(bytes_, counter_.size);                                      \
            put(&writer_, (value));                                                                                    \
            *(out_bytes) = bytes_;                                                                                     \
            *(out_size) = counter_.size;                                                                               \
        }                                                                                                              \
        bytes_ ? 0 : -ENOMEM;                                                                                          \
    })

/* --- range -------------------------------------------------------------------------------------------------------- */

static struct feed_codec_producer producer_of(const struct pg_result *result, uint32_t row)
{
    return (struct feed_codec_producer){.key = pg_result_span(result, row, 0),
                                        .name = pg_result_span(result, row, 1),
                                        .roles = (uint32_t)pg_result_int(result, row, 2),
                                        .active = pg_result_bool(result, row, 3)};
}

static int encode_block(struct span *out, const struct pg_result *blocks, uint32_t row, const struct pg_result *txs,
                        const struct pg_result *producers)
{
    struct feed_codec_block block = {.height = (uint64_t)pg_result_int(blocks, row, 0),
                                     .block_id = pg_result_span(blocks, row, 1),
                                     .header = pg_result_span(blocks, row, 2),
                                     .proof = pg_result_span(blocks, row, 3),
                                     .tx_count = pg_result_rows(txs),
                                     .anomaly_count = (uint32_t)pg_result_int(blocks, row, 4),
                                     .evidence_count = (uint32_t)pg_result_int(blocks, row, 5),
                                     .policy_count = (uint32_t)pg_result_int(blocks, row, 6),
                                     .producer_count = pg_result_rows(producers)};
    struct feed_codec_tx *list = calloc(block.tx_count + 1, sizeof *list);
    struct feed_codec_producer *changed = calloc(block.producer_count + 1, sizeof *changed);
    int rc = -ENOMEM;
    if (list && changed) {
        for (uint32_t i = 0; i < block.tx_count; i++)
            list[i] = (struct feed_codec_tx){.tx_id = pg_result_span(txs, i, 0),
                                             .event_id = pg_result_span(txs, i, 2),
                                             .is_anomaly = pg_result_int(txs, i, 1) == TX_ANOMALY};
        for (uint32_t i = 0; i < block.producer_count; i++)
            changed[i] = producer_of(producers, i);
        block.txs = list;
        block.producers = changed;
        uint8_t *message;
        size_t size;
        rc = WRITE_FRAME(feed_codec_put_block, &block, &message, &size);
        if (rc == 0)
            *out = span_of(message, size);
    }
    free(list);
    free(changed);
    return rc;
}

static int load_block(struct feed_store *self, const struct pg_result *blocks, uint32_t row, struct span *out)
{
    CLEANUP(pg_result_destroy) struct pg_result *txs = NULL;
    CLEANUP(pg_result_destroy) struct pg_result *producers = NULL;
    uint64_t height = (uint64_t)pg_result_int(blocks, row, 0);
    int rc = query_by_height(self, &read_txs, height, &txs);
    if (rc == 0)
        rc = query_by_height(self, &read_changed, height, &producers);
    if (rc == 0)
        rc = encode_block(out, blocks, row, txs, producers);
    return rc;
}

/* As many as fit, the first always. */
static int load_blocks(struct feed_store *self, const struct pg_result *blocks, struct feed_codec_range *range,
                       struct span *messages)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < pg_result_rows(blocks); i++) {
        int rc = load_block(self, blocks, i, &messages[i]);
        if (rc < 0)
            return rc;
        bytes += messages[i].size;
        if (i > 0 && bytes > FEED_CODEC_RANGE_BYTES_MAX)
            break;
        range->block_count = i + 1;
    }
    return 0;
}

static int answer_range(struct feed_store *self, const struct feed_codec_question *question, uint8_t **frame,
                        size_t *size)
{
    CLEANUP(pg_result_destroy) struct pg_result *height = NULL;
    CLEANUP(pg_result_destroy) struct pg_result *blocks = NULL;
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, (int64_t)question->height_first);
    pg_param_int8(&params, question->count_max);
    int rc = query(self, &read_blocks, &params, &blocks);
    if (rc == 0)
        rc = query(self, &read_height, NULL, &height);
    if (rc < 0)
        return rc;
    struct span messages[FEED_CODEC_RANGE_BLOCKS_MAX] = {0};
    struct feed_codec_range range = {.request = question->request, .blocks = messages};
    range.height_last = pg_result_rows(height) > 0 ? (uint64_t)pg_result_int(height, 0, 0) : 0;
    rc = load_blocks(self, blocks, &range, messages);
    if (rc == 0)
        rc = WRITE_FRAME(feed_codec_put_range, &range, frame, size);
    for (size_t i = 0; i < FEED_CODEC_RANGE_BLOCKS_MAX; i++)
        free((void *)(uintptr_t)messages[i].data);
    return rc;
}

/* --- producers and lookup ----------------------------------------------------------------------------------------- */

static int answer_producers(struct feed_store *self, const struct feed_codec_question *question, uint8_t **frame,
                            size_t *size)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = query(self, &read_producers, NULL, &result);
    if (rc < 0)
        return rc;
    uint32_t count = pg_result_rows(result);
    if (count == 0 || pg_result_is_null(result, 0, 4))
        return ERR_RETRY; /* not even genesis is there yet: nothing is known */
    struct feed_codec_producer *producers = calloc(count, sizeof *producers);
    if (!producers)
        return -ENOMEM;
    struct feed_codec_producers answer = {
        .request = question->request, .height = (uint64_t)pg_result_int(result, 0, 4), .producers = producers};
    for (uint32_t i = 0; i < count; i++) {
        if (!pg_result_is_null(result, i, 0))
            producers[answer.producer_count++] = producer_of(result, i);
    }
    rc = WRITE_FRAME(feed_codec_put_producers, &answer, frame, size);
    free(producers);
    return rc;
}

static int known_ids(struct feed_store *self, const struct feed_codec_question *question, struct pg_result **result)
{
    struct pg_array ids;
    pg_array_init(&ids, PG_BYTEA);
    for (uint32_t i = 0; i < question->id_count; i++)
        pg_array_add_bytea(&ids, span_of(question->ids[i].bytes, HASH_BYTES));
    struct pg_params params;
    pg_params_init(&params);
    pg_param_array(&params, &ids);
    int rc = query(self, &read_known, &params, result);
    pg_array_deinit(&ids);
    return rc;
}

static int answer_lookup(struct feed_store *self, const struct feed_codec_question *question, uint8_t **frame,
                         size_t *size)
{
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = known_ids(self, question, &result);
    if (rc < 0)
        return rc;
    uint32_t count = pg_result_rows(result);
    struct span *found = calloc((size_t)count + 1, sizeof *found);
    if (!found)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        found[i] = pg_result_span(result, i, 0);
    struct feed_codec_lookup answer = {.request = question->request, .found = found, .found_count = count};
    rc = WRITE_FRAME(feed_codec_put_lookup, &answer, frame, size);
    free(found);
    return rc;
}

static int answer(struct feed_store *self, const struct feed_codec_question *question, uint8_t **frame, size_t *size)
{
    switch (question->kind) {
    case FEED_CODEC_RANGE:
        return answer_range(self, question, frame, size);
    case FEED_CODEC_PRODUCERS:
        return answer_producers(self, question, frame, size);
    case FEED_CODEC_LOOKUP:
        return answer_lookup(self, question, frame, size);
    }
    return ERR_MALFORMED;
}

int feed_store_answer(struct feed_store *self, const struct feed_codec_question *question, uint8_t **frame,
                      size_t *size)
{
    if (!self->pg) {
        int rc = pg_connect(&self->pg, &(struct pg_options){.dsn = self->dsn,
                                                            .password_file = self->password_file,
                                                            .application_name = "persistd feed",
                                                            .reply_timeout_ms = REPLY_MS_MAX,
                                                            .statement_timeout_ms = STATEMENT_MS_MAX});
        if (rc < 0)
            return rc;
    }
    int rc = answer(self, question, frame, size);
    if (rc < 0)
        pg_destroy(&self->pg);
    return rc;
}
