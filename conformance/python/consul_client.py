"""The specification's get_service_instances, against a real agent.

    consul_client.py HOST PORT verbatim NAME
    consul_client.py HOST PORT find NAME VERSION [TAG...]
    consul_client.py HOST PORT register NAME ID ADDRESS PORT VERSION [TAG...]

"verbatim" runs the sample as it is written, and prints the exception that it
ends with: every client of that name answers with a pair of the index and the
list, which the sample takes for the list. "find" runs it with that one repair
and prints the instances as JSON. A VERSION of "-" is none.
"""
import json
import sys

import consul
from consul import Consul

CONSUL_HOST, CONSUL_PORT = sys.argv[1], int(sys.argv[2])


def get_service_instances(service_name, version=None, tags=None, answer=lambda answer: answer):
    """获取服务实例列表"""
    consul_client = Consul(host=CONSUL_HOST, port=CONSUL_PORT)
    service_instances = answer(consul_client.catalog.service(service_name))

    # 过滤版本和标签
    if version or tags:
        filtered_instances = []
        for instance in service_instances:
            if version and instance['ServiceMeta']['version'] != version:
                continue
            if tags and not all(tag in instance['ServiceTags'] for tag in tags):
                continue
            filtered_instances.append(instance)
        return filtered_instances

    return service_instances


def main(verb, name, *rest):
    if verb == "verbatim":
        try:
            get_service_instances(name, "v1")
            print("nothing was raised")
        except Exception as e:  # which one is what is asked
            print(type(e).__name__)
    elif verb == "find":
        version, tags = rest[0], rest[1:]
        try:
            found = get_service_instances(name, None if version == "-" else version, tags, lambda pair: pair[1])
            print(json.dumps(found))
        except KeyError as e:
            print(json.dumps({"KeyError": e.args[0]}))
    elif verb == "register":
        service_id, address, port, version, tags = rest[0], rest[1], int(rest[2]), rest[3], rest[4:]
        registered = Consul(host=CONSUL_HOST, port=CONSUL_PORT).agent.service.register(
            name, service_id=service_id, address=address, port=port, tags=list(tags),
            meta={} if version == "-" else {"version": version},
            check=consul.Check.ttl("10m"),
        )
        print(json.dumps(registered))


main(*sys.argv[3:])
