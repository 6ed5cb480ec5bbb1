/* SPDX-License-Identifier: MIT */
/* For stacks.py: C that calls back, in the same thread and in a new one. */
#include <pthread.h>
#include <stdlib.h>

struct request {
	void (*function)(int);
	int size;
};

static void *often_body(void *argument)
{
	struct request *request = argument;
	for (int i = 0; i < request->size; i++)
		request->function(i);
	return NULL;
}

void call(void (*function)(int), int size)
{
	function(size);
}

static void *thread_body(void *argument)
{
	struct request *request = argument;
	request->function(request->size);
	return NULL;
}

static void run(struct request *request, void *(*body)(void *))
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, body, request) || pthread_join(thread, NULL))
		abort();
}

void call_in_thread(void (*function)(int), int size)
{
	run(&(struct request){function, size}, thread_body);
}

static void *valloc_body(void *argument)
{
	return valloc((size_t)((struct request *)argument)->size);
}

void valloc_in_thread(int size)
{
	run(&(struct request){NULL, size}, valloc_body);
}

void call_in_thread_often(void (*function)(int), int count)
{
	run(&(struct request){function, count}, often_body);
}
