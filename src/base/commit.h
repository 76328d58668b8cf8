// Which commit the library was built from.
#ifndef SHT_BASE_COMMIT_H
#define SHT_BASE_COMMIT_H

// Its 40 digits, with "-dirty" behind them where tracked files differ from it; NULL: built outside the repository. In a
// file that the build writes anew when that changes (scripts/commit.cmake).
const char *sht__commit(void);

#endif
