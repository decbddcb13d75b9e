/* events.h - publish one event, or a pair, to partitions of chance. The judge is told what must become of them. */
#pragma once

void events_begin(void);
void events_good(void);
/* Again what was published before, byte for byte. */
void events_copy(void);
/* Two events of one producer with one nonce. */
void events_nonce_pair(void);
/* Two events of one kind with one id. */
void events_id_pair(void);
void events_bad(void);
