//! Real servers and sites for tests: started by a test on ports and in folders of their own, and stopped with it.
