// How much of the processor this process gets beside others, by the operating system's account of its threads.
#ifndef SHT_BASE_CORE_SHARE_H
#define SHT_BASE_CORE_SHARE_H

// What the threads of this process did so far: seconds at work, and ready to work while others had the cores. Waiting
// for one another, for a disk or for a quota of time is neither. All 0 where the kernel keeps no such account.
typedef struct sht__core_account {
  double working, waiting;
} sht__core_account;
sht__core_account sht__core_account_read(void);
// The share of a core that was there for each thread between two readings, 0 to 1.
double sht__core_share(const sht__core_account *before, const sht__core_account *after);

#endif
