// The program: picks the verb, calls it, turns its status into an exit code.
#include <stdio.h>

int main(void) {
  (void)fprintf(stderr, "shatter: nothing here yet\n");
  return 2;
}
