/* What init can do, each by its name: on the kernel's command line or at its prompt. */
#ifndef TASKS_H
#define TASKS_H

void facts(void);
void ethernet(void);
void disk(void);
void processes(void);
void faults(void);
void floating(void);
void interrupts(void);
void attempts(void);
void aim(void);

/* Runs `act` in a child; the exit code, or 1000 + the signal that ended it. */
int in_child(void (*act)(void));
s64 begin_child(void (*act)(void)); /* its number, while it acts */
int end_child(s64 child);

#endif
