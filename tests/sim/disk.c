/* disk.c - what survives a crash, as safety_store keeps it: PERSIST is one synced transaction that carries along the
 * commits queued before it; what is queued and not synced is lost. A write torn by a crash happened or did not: the
 * store writes its root page last.
 */
#include "tests/sim/cluster_state.h"

bool disk_has(const struct cluster *self, uint32_t index, const struct stored *block)
{
    const struct node *node = &self->nodes[index];
    /* What is committed goes to disk in this very write. */
    if (!block || block->header.height <= node->height)
        return true;
    for (size_t i = 0; i < node->disk.open_count; i++) {
        if (node->disk.open[i].block == block)
            return true;
    }
    return hash_equal(&block->id, &self->genesis_id);
}

static void add_open(struct disk *disk, const struct stored *block, const struct qc *justify)
{
    for (size_t i = 0; i < disk->open_count; i++) {
        if (disk->open[i].block == block)
            return;
    }
    if (disk->open_count == disk->open_capacity) {
        disk->open_capacity = disk->open_capacity ? disk->open_capacity * 2 : 32;
        disk->open = must(realloc(disk->open, disk->open_capacity * sizeof *disk->open));
    }
    /* By rising height, as the store lists them. */
    size_t at = disk->open_count++;
    for (; at > 0 && disk->open[at - 1].block->header.height > block->header.height; at--)
        disk->open[at] = disk->open[at - 1];
    disk->open[at].block = block;
    disk->open[at].qc = justify ? *justify : (struct qc){.signature_count = 0};
}

void disk_flush(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    struct disk *disk = &node->disk;
    node->flushed_ms = self->now_ms;
    disk->height = node->height;
    size_t kept = 0;
    for (size_t i = 0; i < disk->open_count; i++) {
        if (disk->open[i].block->header.height > disk->height) {
            if (kept != i)
                disk->open[kept] = disk->open[i];
            kept++;
        }
    }
    disk->open_count = kept;
}

void disk_write(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    struct disk *disk = &self->nodes[index].disk;
    invariants_written(self, index, effect->u.persist.voting);
    disk->has_voting = true;
    disk->voting = *effect->u.persist.voting;
    if (effect->u.persist.block_id) {
        const struct stored *block = model_find(self, effect->u.persist.block_id);
        if (block) {
            if (!disk_has(self, index, block->parent))
                violate(self, "a vote for a block whose parent is not on disk", index, block->header.height);
            add_open(disk, block, effect->u.persist.justify);
        } else {
            violate(self, "a vote for a block that nobody made", index, disk->voting.vote_view);
        }
    }
    disk_flush(self, index);
}

void disk_crash(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    if (node->writing && random_below(self, 2) == 0)
        disk_write(self, index, &node->effects.items[node->effect_next - 1]);
    node->writing = false;
    for (; node->height > node->disk.height; node->height--)
        pool_roll_back(self, index, node->height);
    node->root_id = node->height ? node->committed[node->height - 1].block->id : self->genesis_id;
}

void disk_free(struct disk *disk)
{
    free(disk->open);
}
