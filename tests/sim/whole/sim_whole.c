/* sim_whole.c - runs seeds of whole validators, one after another: what `scripts/soak --cores all` starts many of, and
 * the suite's own slices.
 *
 *     sim_whole [--first A] [--count K | --random-base] [--validators N] [--liars | --honest] [--trace] [--twice]
 *
 * Prints `FAILED seed=.. : why` for the first seed that fails and exits 1; else a line with figures and a hash of all
 * traces. SIM_SEED and SIM_SEEDS are the first seed and the count where no option says so.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "tests/sim/whole/liar.h"
#include "tests/sim/whole/story.h"
#include "tests/sim/whole/world.h"

struct choice {
    struct story_options story;
    uint64_t first, count;
    bool random_base, twice;
};

static char current[96];

/* An assertion of a process is a finding like any other: name the seed before the end. */
static void on_abort(int signal_number)
{
    ssize_t ignored = write(STDOUT_FILENO, current, strlen(current));
    (void)ignored;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static uint64_t number_or(const char *text, uint64_t otherwise)
{
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static int usage(void)
{
    fputs("usage: sim_whole [--first A] [--count K] [--random-base] [--validators N] [--liars | --honest] [--trace]"
          " [--twice]\n",
          stderr);
    return 2;
}

static int parse(struct choice *choice, int argc, char **argv)
{
    choice->first = number_or(getenv("SIM_SEED"), 1);
    choice->count = number_or(getenv("SIM_SEEDS"), 40);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--trace") == 0)
            choice->story.trace = true;
        else if (strcmp(argv[i], "--liars") == 0)
            choice->story.liar = LIAR_ALWAYS;
        else if (strcmp(argv[i], "--honest") == 0)
            choice->story.liar = LIAR_NEVER;
        else if (strcmp(argv[i], "--twice") == 0)
            choice->twice = true;
        else if (strcmp(argv[i], "--random-base") == 0)
            choice->random_base = true;
        else if (value && strcmp(argv[i], "--first") == 0)
            choice->first = number_or(argv[++i], 1);
        else if (value && strcmp(argv[i], "--count") == 0)
            choice->count = number_or(argv[++i], 1);
        else if (value && strcmp(argv[i], "--validators") == 0)
            choice->story.validator_count = (uint32_t)number_or(argv[++i], 0);
        else
            return usage();
    }
    if (choice->story.validator_count > VALIDATORS_MAX)
        return usage();
    if (choice->random_base && !getenv("SIM_SEED")) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        choice->first =
            1000000 + ((uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec + (uint64_t)getpid()) % 2000000000;
    }
    return 0;
}

static bool run_one(struct choice *choice, struct story_result *result)
{
    snprintf(current, sizeof current, "FAILED seed=%" PRIu64 " : a process ended the program (assertion or crash)\n",
             choice->story.seed);
    story_run(result, &choice->story);
    if (result->failure[0] == '\0' && choice->twice) {
        struct story_result again;
        story_run(&again, &choice->story);
        if (again.fingerprint != result->fingerprint || again.steps != result->steps)
            snprintf(result->failure, sizeof result->failure, "the same seed gave another run");
    }
    if (result->failure[0] != '\0')
        printf("FAILED seed=%" PRIu64 " : %s\n", choice->story.seed, result->failure);
    return result->failure[0] == '\0';
}

int main(int argc, char **argv)
{
    struct choice choice = {0};
    int rc = parse(&choice, argc, argv);
    if (rc != 0)
        return rc;
    setvbuf(stdout, NULL, _IOLBF, 0);
    mallopt(M_MMAP_THRESHOLD, 256 << 10); /* tables are large and mostly untouched: no clearing of what is fresh */
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    signal(SIGFPE, on_abort);
    printf("seeds %" PRIu64 "..%" PRIu64 "\n", choice.first, choice.first + choice.count - 1);
    uint64_t steps = 0, heights = 0, records = 0, trace = 0, settle_ms_max = 0, settle_seed = 0;
    uint64_t liars = 0, lies = 0;
    for (uint64_t i = 0; i < choice.count; i++) {
        choice.story.seed = choice.first + i;
        struct story_result result;
        if (!run_one(&choice, &result))
            return 1;
        steps += result.steps;
        heights += result.heights;
        records += result.records;
        liars += result.has_liar;
        lies += result.lies;
        trace = (trace ^ result.fingerprint) * 1099511628211u;
        if (result.settle_ms > settle_ms_max) {
            settle_ms_max = result.settle_ms;
            settle_seed = choice.story.seed;
        }
    }
    printf("ok seeds=%" PRIu64 " steps=%" PRIu64 " heights=%" PRIu64 " longest_settle_ms=%" PRIu64 " of_seed=%" PRIu64
           " records=%" PRIu64 " liars=%" PRIu64 " lies=%" PRIu64 " trace=%016" PRIx64 "\n",
           choice.count, steps, heights, settle_ms_max, settle_seed, records, liars, lies, trace);
    liar_print(stdout);
    return 0;
}
