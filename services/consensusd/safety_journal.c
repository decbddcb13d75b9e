/* safety_journal.c - an entry is voting_store.h's: the record, then for each operation u8 kind || u8 table || u64
 * height
 * || sized key || sized value. Tables are numbered as they stand in table_at(). */
#include "services/consensusd/safety_journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

enum { TABLE_COUNT = 5 };

static_assert((int)JOURNAL_ENTRY_COUNT_MAX <= UINT16_MAX, "voting_record_number() has 16 bits for it");

static struct store_table table_at(const struct safety_store *self, uint8_t number)
{
    const struct store_table tables[TABLE_COUNT] = {self->meta, self->blocks, self->bodies, self->open, self->evidence};
    assert(number < TABLE_COUNT);
    return tables[number];
}

static uint8_t table_number(const struct safety_store *self, struct store_table table)
{
    uint8_t number = 0;
    while (!store_table_equal(table_at(self, number), table))
        number++;
    return number;
}

static void put_op(struct bytes_writer *writer, const struct safety_store *self, const struct store_op *op)
{
    bytes_put_u8(writer, (uint8_t)op->kind);
    bytes_put_u8(writer, table_number(self, op->table));
    bytes_put_u64(writer, op->key.height);
    bytes_put_sized(writer, op->key.bytes);
    bytes_put_sized(writer, op->value);
}

int safety_journal_append(struct safety_store *self, const struct voting_record *record)
{
    uint8_t bytes[JOURNAL_ENTRY_BYTES_MAX];
    struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
    voting_store_put_entry(&writer, record);
    for (size_t i = self->journaled_count; i < self->op_count && !writer.failed; i++)
        put_op(&writer, self, &self->ops[i]);
    if (writer.failed)
        return ERR_FULL;
    uint32_t index;
    int rc = journal_append(&self->journal, record->sequence, bytes_written(&writer), &index);
    if (rc < 0)
        return rc;
    self->record = *record;
    self->record.entry = index;
    self->journaled_count = self->op_count;
    return 0;
}

/* The key and value lie in one allocation, as those of every queued operation. */
static int queue_op(struct safety_store *self, struct store_op op)
{
    uint8_t *memory = malloc(op.key.bytes.size + op.value.size + 1);
    if (!memory)
        return -ENOMEM;
    memcpy(memory, op.value.data, op.value.size);
    memcpy(memory + op.value.size, op.key.bytes.data, op.key.bytes.size);
    op.value = span_of(memory, op.value.size);
    op.key.bytes = span_of(memory + op.value.size, op.key.bytes.size);
    assert(self->op_count < SAFETY_STORE_OPS_MAX);
    self->ops[self->op_count] = op;
    self->memory[self->op_count++] = memory;
    return 0;
}

static int replay_entry(void *context, uint32_t index, struct span payload)
{
    struct safety_store *self = context;
    struct bytes_reader reader = bytes_reader_of(payload);
    struct voting_record record;
    int rc = voting_store_get_entry(&record, &reader, index);
    while (rc == 0 && bytes_left(&reader) > 0) {
        struct store_op op = {.kind = bytes_get_u8(&reader)};
        uint8_t table = bytes_get_u8(&reader);
        op.key.height = bytes_get_u64(&reader);
        op.key.bytes = bytes_get_span(&reader, bytes_get_u32(&reader));
        op.value = bytes_get_span(&reader, bytes_get_u32(&reader));
        if (reader.failed || table >= TABLE_COUNT || self->op_count == SAFETY_STORE_OPS_MAX)
            return ERR_CORRUPT;
        op.table = table_at(self, table);
        rc = queue_op(self, op);
    }
    return rc;
}

int safety_journal_replay(struct safety_store *self, const struct journal_content *content)
{
    return journal_each(content, self->record.sequence, replay_entry, self);
}
