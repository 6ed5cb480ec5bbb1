/* SPDX-License-Identifier: MIT */
/* The checksum is XXH64: vectors computed by the reference implementation (libxxhash 0.8). */
#include "check.h"

#include "hash.h"

static void known_vectors(void)
{
	static const struct {
		size_t size;
		uint64_t seed;
		uint64_t hash;
	} vectors[] = {
		{0, 0x0ULL, 0xef46db3751d8e999ULL},
		{0, 0x9e3779b97f4a7c15ULL, 0xc4349fc93c010000ULL},
		{1, 0x0ULL, 0x50ff15a81340970fULL},
		{1, 0x9e3779b97f4a7c15ULL, 0xdef36d6ab0a6cc87ULL},
		{3, 0x0ULL, 0x8c704fa7bd712bdfULL},
		{3, 0x9e3779b97f4a7c15ULL, 0x1c8d1c4efd6a14b9ULL},
		{4, 0x0ULL, 0xd71f1e996cd4cb3aULL},
		{4, 0x9e3779b97f4a7c15ULL, 0x88c9bb232fd9c009ULL},
		{7, 0x0ULL, 0xf782c3848e532481ULL},
		{7, 0x9e3779b97f4a7c15ULL, 0x2a02410bc3ad2a79ULL},
		{8, 0x0ULL, 0xe1df83c269c49579ULL},
		{8, 0x9e3779b97f4a7c15ULL, 0x796de120b6fdd38bULL},
		{11, 0x0ULL, 0x4734cfed80553556ULL},
		{11, 0x9e3779b97f4a7c15ULL, 0x7f98356dab4526b4ULL},
		{12, 0x0ULL, 0xcbbe8250d21fb82eULL},
		{12, 0x9e3779b97f4a7c15ULL, 0x61e965dee9813afaULL},
		{15, 0x0ULL, 0x0b1a64422ceb9f3fULL},
		{15, 0x9e3779b97f4a7c15ULL, 0x6cf4a2ff1867dd2dULL},
		{16, 0x0ULL, 0x2b54d342b7c048a0ULL},
		{16, 0x9e3779b97f4a7c15ULL, 0x90cb0cb580c7d85dULL},
		{31, 0x0ULL, 0xa5a38a591142ab67ULL},
		{31, 0x9e3779b97f4a7c15ULL, 0x07c881ea07fa75deULL},
		{32, 0x0ULL, 0x88a1e5c03535f1daULL},
		{32, 0x9e3779b97f4a7c15ULL, 0xa52f602c65a27feeULL},
		{33, 0x0ULL, 0xe3ace544169768ccULL},
		{33, 0x9e3779b97f4a7c15ULL, 0x7150ee448d40112aULL},
		{39, 0x0ULL, 0x57365390215f41ceULL},
		{39, 0x9e3779b97f4a7c15ULL, 0x00a322af6b09cbacULL},
		{40, 0x0ULL, 0x75970a395f6396acULL},
		{40, 0x9e3779b97f4a7c15ULL, 0xc0c525ff7e9c8c74ULL},
		{63, 0x0ULL, 0xcb4a4837e8ec4be1ULL},
		{63, 0x9e3779b97f4a7c15ULL, 0x4144027fea3eec9cULL},
		{64, 0x0ULL, 0x19de71aba4889d56ULL},
		{64, 0x9e3779b97f4a7c15ULL, 0x04dbb2cb700607bfULL},
		{65, 0x0ULL, 0xd2a60c67b06c48a1ULL},
		{65, 0x9e3779b97f4a7c15ULL, 0x26f9ffd5f2f4af39ULL},
		{95, 0x0ULL, 0x9b6dc82036a00cdcULL},
		{95, 0x9e3779b97f4a7c15ULL, 0x4d3b62ca43a213baULL},
		{100, 0x0ULL, 0x5c8ce316077fe8f1ULL},
		{100, 0x9e3779b97f4a7c15ULL, 0x225b187852ae6e08ULL},
		{255, 0x0ULL, 0xfbfaa94352d6dfadULL},
		{255, 0x9e3779b97f4a7c15ULL, 0x1aa59ec0dc0d0701ULL},
		{1000, 0x0ULL, 0xc41090f3884ac4d8ULL},
		{1000, 0x9e3779b97f4a7c15ULL, 0xd5def7032738804cULL},
	};
	uint8_t data[1000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 131 + (i >> 3) * 17 + 5);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		CHECK_EQ(pmt_hash(data, vectors[i].size, vectors[i].seed), vectors[i].hash);
	CHECK_EQ(pmt_hash("", 0, 0), 0xef46db3751d8e999ULL);
	CHECK_EQ(pmt_hash("abc", 3, 0), 0x44bc2cf5ad770999ULL);
}

/* The hash must not depend on where the data lie, and must depend on each byte. */
static void any_alignment(void)
{
	uint8_t buffer[120];

	for (size_t size = 0; size <= 100; size++) {
		for (size_t i = 0; i < sizeof(buffer); i++)
			buffer[i] = (uint8_t)(i * 7);
		uint64_t first = pmt_hash(buffer, size, 5);

		for (size_t at = 1; at < 8; at++) {
			memmove(buffer + at, buffer + at - 1, size);
			CHECK_EQ(pmt_hash(buffer + at, size, 5), first);
		}
		for (size_t i = 0; i < size; i++) {
			buffer[7 + i] ^= 1;
			CHECK(pmt_hash(buffer + 7, size, 5) != first);
			buffer[7 + i] ^= 1;
		}
	}
}

int main(void)
{
	static const struct check_test tests[] = {
		{"known vectors", known_vectors},
		{"any alignment, each byte", any_alignment},
		{0},
	};

	return check_run(tests);
}
