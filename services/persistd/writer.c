/* writer.c - the writer's thread. */
#include "services/persistd/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/workers.h"
#include "services/persistd/feed_codec.h"
#include "services/persistd/rows.h"

struct writer {
    struct writer_options options;
    struct database *database;
    struct rows rows;
    struct workers *workers;
    bool busy;
    /* the job */
    struct held_block *blocks[PERSIST_RUN_BLOCKS_MAX];
    size_t block_count;
    struct persist_tip tip;
    struct writer_result result;
    /* the certificate's */
    bool certificate_busy;
    struct genesis_store_certificate offered, found;
    struct writer_result certificate_result;
};

/* --- on the thread ------------------------------------------------------------------------------------------------ */

static void list_producers(struct feed_codec_producer *out, const struct rows *rows, uint64_t height, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < rows->producers.count; i++) {
        const struct rows_producer *producer = &rows->producers.items[i];
        if (producer->height == height)
            out[(*count)++] = (struct feed_codec_producer){.key = span_of(producer->key, sizeof producer->key),
                                                           .name = producer->record.name,
                                                           .roles = producer->record.roles,
                                                           .active = producer->record.active};
    }
}

static int encode(struct held_block *held, const struct feed_codec_block *block)
{
    struct bytes_writer counter = bytes_writer_of(NULL, 0);
    feed_codec_put_block(&counter, block);
    uint8_t *message = malloc(counter.size);
    if (!message)
        return -ENOMEM;
    struct bytes_writer writer = bytes_writer_of(message, counter.size);
    feed_codec_put_block(&writer, block);
    held->message = message;
    held->message_size = counter.size;
    return 0;
}

static int make_message(struct held_block *held, const struct rows *rows, const struct rows_block *row)
{
    const struct outcome *outcome = row->outcome;
    struct feed_codec_tx *txs = calloc((size_t)outcome->tx_count + 1, sizeof *txs);
    struct feed_codec_producer *producers = calloc(rows->producers.count + 1, sizeof *producers);
    struct feed_codec_block block = {.height = outcome->height,
                                     .block_id = span_of(outcome->block_id.bytes, HASH_BYTES),
                                     .header = outcome->header_bytes,
                                     .proof = outcome->proof,
                                     .txs = txs,
                                     .tx_count = outcome->tx_count,
                                     .anomaly_count = row->counts[TX_ANOMALY],
                                     .evidence_count = row->counts[TX_EVIDENCE],
                                     .policy_count = row->counts[TX_POLICY],
                                     .producers = producers};
    int rc = -ENOMEM;
    if (txs && producers) {
        for (uint32_t i = 0; i < outcome->tx_count; i++) {
            const struct rows_tx *tx = &rows->txs.items[row->tx_first + i];
            txs[i] = (struct feed_codec_tx){.tx_id = span_of(tx->tx_id.bytes, HASH_BYTES),
                                            .event_id = tx->event_id,
                                            .is_anomaly = tx->kind == TX_ANOMALY};
        }
        list_producers(producers, rows, outcome->height, &block.producer_count);
        rc = encode(held, &block);
    }
    free(txs);
    free(producers);
    return rc;
}

static int prepare(struct writer *self)
{
    const struct outcome *outcomes[PERSIST_RUN_BLOCKS_MAX];
    for (size_t i = 0; i < self->block_count; i++)
        outcomes[i] = self->blocks[i]->outcome;
    int rc = rows_build(&self->rows, outcomes, self->block_count, &self->result.why);
    for (size_t i = 0; rc == 0 && i < self->block_count; i++) {
        if (!self->blocks[i]->message)
            rc = make_message(self->blocks[i], &self->rows, &self->rows.blocks.items[i]);
    }
    return rc;
}

static void work_open(void *argument)
{
    struct writer *self = argument;
    self->result.rc = database_open(self->database, &self->result.tip);
}

static void work_write(void *argument)
{
    struct writer *self = argument;
    self->result.rc = prepare(self);
    if (self->result.rc < 0)
        return;
    uint64_t start_us = loop_now_us();
    self->result.rc = database_write(self->database, &self->rows, &self->tip);
    self->result.took_us = loop_now_us() - start_us;
}

static void work_certificate(void *argument)
{
    struct writer *self = argument;
    struct span offered = span_of(self->offered.bytes, self->offered.size);
    int rc = database_exchange_certificate(self->database, offered, &self->found);
    self->certificate_result =
        (struct writer_result){.kind = WRITER_CERTIFICATE, .rc = rc, .certificate = &self->found};
}

/* --- on the loop -------------------------------------------------------------------------------------------------- */

static void done(void *argument)
{
    struct writer *self = argument;
    struct writer_result result = self->result;
    self->busy = false;
    self->options.done(self->options.context, &result);
}

static void certificate_done(void *argument)
{
    struct writer *self = argument;
    self->certificate_busy = false;
    self->options.done(self->options.context, &self->certificate_result);
}

bool writer_exchange_certificate(struct writer *self, struct span offered)
{
    if (self->certificate_busy || offered.size > sizeof self->offered.bytes)
        return false;
    self->offered.size = offered.size;
    if (offered.size > 0)
        memcpy(self->offered.bytes, offered.data, offered.size);
    self->certificate_busy = true;
    int rc = workers_submit(
        self->workers, &(struct workers_job){.work = work_certificate, .done = certificate_done, .argument = self});
    assert(rc == 0); /* there is room for one of each */
    (void)rc;
    return true;
}

static void submit(struct writer *self, void (*work)(void *argument))
{
    assert(!self->busy);
    self->busy = true;
    int rc = workers_submit(self->workers, &(struct workers_job){.work = work, .done = done, .argument = self});
    assert(rc == 0); /* there is room for one of each */
    (void)rc;
}

void writer_open(struct writer *self)
{
    self->result = (struct writer_result){.kind = WRITER_OPENED};
    submit(self, work_open);
}

void writer_write(struct writer *self, struct held_block *const *blocks, size_t count, const struct persist_tip *tip)
{
    assert(count > 0 && count <= PERSIST_RUN_BLOCKS_MAX);
    for (size_t i = 0; i < count; i++)
        self->blocks[i] = blocks[i];
    self->block_count = count;
    self->tip = *tip;
    self->result = (struct writer_result){.kind = WRITER_WROTE, .why = ""};
    submit(self, work_write);
}

int writer_new(struct writer **out, const struct writer_options *options)
{
    CLEANUP(writer_destroy) struct writer *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->options = *options;
    rows_init(&self->rows, options->seed);
    int rc = database_new(&self->database, &options->database);
    if (rc == 0)
        rc = workers_new(&self->workers, options->loop,
                         &(struct workers_options){.name = "writer", .thread_count = 1, .queue_count_max = 2});
    if (rc < 0)
        return rc;
    *out = TAKE(self);
    return 0;
}

void writer_destroy(struct writer **self)
{
    if (!self || !*self)
        return;
    workers_destroy(&(*self)->workers, NULL);
    database_destroy(&(*self)->database);
    rows_deinit(&(*self)->rows);
    free(*self);
    *self = NULL;
}
