/* driver.c - runs a fuzz target without libFuzzer.
 *
 * Replays every file of the corpus directory given as first argument, then FUZZ_RUNS inputs (default 20000) made from
 * them, or from nothing, by a generator with a fixed seed (FUZZ_SEED): the same run every time.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 65536, SEEDS_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *data;
    size_t size;
};

static struct input seeds[SEEDS_MAX];
static size_t seed_count;

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void seed_load(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (data) {
        seeds[seed_count].data = data;
        seeds[seed_count++].size = fread(data, 1, INPUT_BYTES_MAX, file);
    }
    fclose(file);
}

static void corpus_load(const char *directory)
{
    DIR *dir = opendir(directory);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry && seed_count < SEEDS_MAX; entry = readdir(dir)) {
        if (entry->d_name[0] != '.')
            seed_load(directory, entry->d_name);
    }
    closedir(dir);
}

static size_t mutate(uint8_t *out, uint64_t *state)
{
    size_t size = random_next(state) % 512;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)random_next(state);
    if (seed_count == 0)
        return size;
    const struct input *seed = &seeds[random_next(state) % seed_count];
    size = seed->size;
    memcpy(out, seed->data, size);
    if (size == 0)
        return 0;
    uint64_t edits = 1 + random_next(state) % 8;
    for (uint64_t i = 0; i < edits; i++)
        out[random_next(state) % size] = (uint8_t)random_next(state);
    if (random_next(state) % 4 == 0)
        size = random_next(state) % (size + 1);
    return size;
}

int main(int argc, char *argv[])
{
    const char *runs_text = getenv("FUZZ_RUNS");
    const char *seed_text = getenv("FUZZ_SEED");
    unsigned long runs = runs_text ? strtoul(runs_text, NULL, 10) : 20000;
    uint64_t state = (seed_text ? strtoull(seed_text, NULL, 10) : 1) * 2 + 0x9e3779b97f4a7c15u;
    if (argc > 1)
        corpus_load(argv[1]);
    for (size_t i = 0; i < seed_count; i++)
        LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].size);
    uint8_t *buffer = malloc(INPUT_BYTES_MAX);
    if (!buffer)
        return EXIT_FAILURE;
    for (unsigned long i = 0; i < runs; i++) {
        size_t size = mutate(buffer, &state);
        /* An exact-size heap copy lets the sanitizer see a read past the end. */
        uint8_t *exact = malloc(size ? size : 1);
        if (!exact)
            return EXIT_FAILURE;
        memcpy(exact, buffer, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    free(buffer);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].data);
    printf("%zu corpus inputs, %lu generated\n", seed_count, runs);
    return EXIT_SUCCESS;
}
