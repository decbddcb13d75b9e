/* The mempool's order, rule by rule, and the list that keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "services/mempoold/order.h"

static struct order_key key(uint32_t tx_class, uint32_t severity, uint32_t confidence_ppm, int64_t ts, uint8_t id)
{
    struct order_key made = {
        .tx_class = tx_class, .severity = severity, .confidence_ppm = confidence_ppm, .ts = ts, .id = {{id}}};
    return made;
}

static void each_rule_decides_where_those_before_it_are_equal(void **state)
{
    (void)state;
    const struct {
        const char *rule;
        struct order_key first, second;
    } table[] = {
        {"class", key(0, 1, 0, 9, 9), key(1, 10, 1000000, 1, 1)},
        {"class", key(1, 1, 0, 9, 9), key(2, 10, 1000000, 1, 1)},
        {"severity down", key(2, 10, 0, 9, 9), key(2, 9, 1000000, 1, 1)},
        {"confidence down", key(2, 5, 500001, 9, 9), key(2, 5, 500000, 1, 1)},
        {"time up", key(2, 5, 7, -1, 9), key(2, 5, 7, 0, 1)},
        {"id up", key(2, 5, 7, 7, 1), key(2, 5, 7, 7, 2)},
        {"id up, bytes are unsigned", key(2, 5, 7, 7, 0x7f), key(2, 5, 7, 7, 0x80)},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        print_message("%s\n", table[i].rule);
        assert_true(order_compare(&table[i].first, &table[i].second) < 0);
        assert_true(order_compare(&table[i].second, &table[i].first) > 0);
        assert_int_equal(order_compare(&table[i].first, &table[i].first), 0);
    }
}

static void only_an_anomaly_has_severity_and_confidence(void **state)
{
    (void)state;
    struct hash id = {{1}};
    struct tx anomaly = {.kind = TX_ANOMALY, .severity = 7, .confidence_ppm = 3, .ts = 5};
    struct tx evidence = {.kind = TX_EVIDENCE, .severity = 7, .confidence_ppm = 3, .ts = 5};
    struct tx drop = {.kind = TX_POLICY, .ts = 5, .action = span_text("drop")};
    struct tx watch = {.kind = TX_POLICY, .ts = 5, .action = span_text("watch")};
    assert_int_equal(order_key_of(&anomaly, &id).severity, 7);
    assert_int_equal(order_key_of(&anomaly, &id).confidence_ppm, 3);
    assert_int_equal(order_key_of(&anomaly, &id).tx_class, ORDER_CLASS_EVENTS + 2);
    assert_int_equal(order_key_of(&evidence, &id).severity, 0);
    assert_int_equal(order_key_of(&evidence, &id).tx_class, ORDER_CLASS_EVENTS + 2);
    assert_int_equal(order_key_of(&drop, &id).tx_class, ORDER_CLASS_EVENTS + 0);
    assert_int_equal(order_key_of(&watch, &id).tx_class, ORDER_CLASS_EVENTS + 1);
}

enum { NODE_COUNT = 2000 };

static int by_key(const void *a, const void *b)
{
    const struct order_node *const *left = a;
    const struct order_node *const *right = b;
    return order_compare(&(*left)->key, &(*right)->key);
}

static void expect_sorted(const struct order *order, struct order_node **nodes, size_t count)
{
    qsort(nodes, count, sizeof(struct order_node *), by_key);
    const struct order_node *node = order_first(order);
    for (size_t i = 0; i < count; i++, node = order_next(node))
        assert_ptr_equal(node, nodes[i]);
    assert_null(node);
    assert_int_equal(order->count, count);
}

static void the_walk_is_sorted_whatever_comes_and_goes(void **state)
{
    (void)state;
    static struct order_node all[NODE_COUNT];
    static struct order_node *in[NODE_COUNT];
    struct order order;
    order_init(&order, 42);
    srandom(1);
    for (uint32_t i = 0; i < NODE_COUNT; i++) {
        all[i].key = key((uint32_t)random() % 3, (uint32_t)random() % 11, (uint32_t)random() % 5, random() % 50, 0);
        memcpy(all[i].key.id.bytes, &i, sizeof i);
        in[i] = &all[i];
        order_insert(&order, &all[i]);
    }
    size_t count = NODE_COUNT;
    expect_sorted(&order, in, count);
    while (count > 0) {
        for (size_t i = 0; i < 100; i++) {
            size_t victim = (size_t)random() % count;
            order_remove(&order, in[victim]);
            in[victim] = in[--count];
        }
        expect_sorted(&order, in, count);
    }
    assert_null(order_first(&order));
}

static void places_are_found_in_few_steps(void **state)
{
    (void)state;
    static struct order_node all[NODE_COUNT];
    struct order order;
    order_init(&order, 99);
    size_t at_level[ORDER_LEVELS_MAX + 1] = {0};
    for (uint32_t i = 0; i < NODE_COUNT; i++) {
        all[i].key = key(2, 5, 0, i, 0);
        memcpy(all[i].key.id.bytes, &i, sizeof i);
        order_insert(&order, &all[i]);
        at_level[all[i].level_count]++;
    }
    /* About a quarter reaches each next level. */
    assert_in_range(NODE_COUNT - at_level[1], NODE_COUNT / 5, NODE_COUNT / 3);
    assert_in_range(NODE_COUNT - at_level[1] - at_level[2], NODE_COUNT / 24, NODE_COUNT / 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_decides_where_those_before_it_are_equal),
        cmocka_unit_test(only_an_anomaly_has_severity_and_confidence),
        cmocka_unit_test(the_walk_is_sorted_whatever_comes_and_goes),
        cmocka_unit_test(places_are_found_in_few_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
