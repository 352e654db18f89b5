/* `kwaainet ask` and `kwaainet health`: see ask.c. */

enum { NOT_ASKED = -1 };

/* Does what that command line says, and returns the exit status; NOT_ASKED if Python has to look at it. */
int ask(int argc, char **argv);
