/* SPDX-License-Identifier: MIT */
/* std::vector growth: each change of its capacity is an operator new. Argument: reserve or grow. */
#include "report.h"

#include <cstring>
#include <new>
#include <vector>

int main(int argc, char **argv)
{
	begin();
	{
		std::vector<int> numbers;
		size_t capacity = 0;
		if (argc > 1 && !std::strcmp(argv[1], "reserve"))
			numbers.reserve(5001);
		for (int i = 0; i < 5001; i++) {
			unsigned long old = (unsigned long)numbers.data();
			if (numbers.capacity() != capacity && i == 0) {
				capacity = numbers.capacity();
				did_alloc("malloc", numbers.data(), capacity * sizeof(int));
			}
			numbers.push_back(i);
			if (numbers.capacity() == capacity)
				continue;
			capacity = numbers.capacity();
			did_alloc("malloc", numbers.data(), capacity * sizeof(int));
			if (old)
				did_free("free", old);
		}
		did_free("free", (unsigned long)numbers.data());
	}
	end();
	return 0;
}
