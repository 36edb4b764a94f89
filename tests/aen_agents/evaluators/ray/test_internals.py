"""What `internals.py` needs of Ray beyond its public interface, one test for each. They name what a new Ray lacks.

That a real head answers the two calls as expected is in test_probe.py.
"""

import importlib
import inspect
import mmap
from pathlib import Path

import pytest
import ray

from aen_agents.evaluators.ray import internals


def need(module, *names):
    """Return an attribute of a module of Ray's, or fail with what is missing."""
    try:
        found = importlib.import_module(module)
        for name in names:
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        pytest.fail(f"Ray {ray.__version__} lacks {module}.{'.'.join(names)}, which internals.py uses: {error}")
    return found


@pytest.mark.parametrize(
    ("call", "file"), [(internals.GCS_CALL, "gcs_service_pb2"), (internals.CLIENT_CALL, "ray_client_pb2")]
)
def test_the_service_has_the_method_and_the_request_is_one_of_its(call, file):
    (_, service, method), content = call[0].split("/"), call[1]
    protocol = need(f"ray.core.generated.{file}")
    package = protocol.DESCRIPTOR.package
    services = {f"{package}.{name}": one for name, one in protocol.DESCRIPTOR.services_by_name.items()}
    assert service in services, f"Ray {ray.__version__} has no service {service}, only {sorted(services)}"
    methods = services[service].methods_by_name
    assert method in methods, f"Ray {ray.__version__} has no {method} in {service}, only {sorted(methods)}"
    request = getattr(protocol, methods[method].input_type.name).FromString(content)
    assert request.SerializeToString() == content


def test_the_request_to_a_client_server_is_a_ping():
    protocol = need("ray.core.generated.ray_client_pb2")
    request = protocol.ClusterInfoRequest.FromString(internals.CLIENT_CALL[1])
    assert protocol.ClusterInfoType.TypeEnum.Name(request.type) == "PING"


def test_the_request_to_a_gcs_asks_about_no_nodes():
    protocol = need("ray.core.generated.gcs_service_pb2")
    assert protocol.CheckAliveRequest.FromString(internals.GCS_CALL[1]) == protocol.CheckAliveRequest()


def test_a_token_is_sent_in_the_header_that_ray_reads():
    assert need("ray._raylet", "AUTHORIZATION_HEADER_NAME") == "authorization"


def test_the_mode_of_authentication_is_read_again(monkeypatch):
    mode = need("ray._raylet", "get_authentication_mode")
    modes = need("ray._raylet", "AuthenticationMode")
    need("ray._raylet", "Config", "initialize")
    try:
        for name in ("disabled", "token", "disabled"):
            monkeypatch.setenv("RAY_AUTH_MODE", name)
            internals.reload_configuration()
            assert mode() == getattr(modes, name.upper()), f"Ray {ray.__version__} ignores RAY_AUTH_MODE={name}"
    finally:
        monkeypatch.undo()
        internals.reload_configuration()


def test_cores_and_gpus_of_this_machine_are_known_before_ray_starts():
    need("ray._private.utils", "get_num_cpus")
    gpu = need("ray._private.accelerators", "get_accelerator_manager_for_resource")("GPU")
    for name in ("get_current_node_num_accelerators", "get_current_process_visible_accelerator_ids"):
        assert hasattr(gpu, name), f"Ray {ray.__version__} lacks {name} of {gpu}"
    assert internals.local_resources() is not None, f"a call in local_resources fails with Ray {ray.__version__}"


def test_it_is_known_whether_a_cluster_runs_on_this_machine():
    need("ray._private.services", "find_bootstrap_address")
    need("ray._private.services", "find_gcs_addresses")
    assert internals.local_clusters() is not None, f"a call in local_clusters fails with Ray {ray.__version__}"


def test_ray_can_listen_on_loopback_only(monkeypatch):
    constants = need("ray._private.ray_constants")
    assert need("ray._private.ray_constants", "ENABLE_RAY_CLUSTERS_ENV_VAR") == internals._CLUSTERS
    resolve = need("ray._private.services", "resolve_ip_for_localhost")
    monkeypatch.setattr(constants, "ENABLE_RAY_CLUSTER", True)
    internals.listen_on_loopback(alone=True)
    try:
        assert resolve(internals.LOOPBACK) == internals.LOOPBACK, f"Ray {ray.__version__} replaces the address"
    finally:
        internals.listen_on_loopback(alone=False)
    assert constants.ENABLE_RAY_CLUSTER


@pytest.mark.parametrize("variable", internals.QUIET_CLUSTER)
def test_ray_knows_a_variable_of_its_configuration(variable):
    with (
        Path(need("ray._raylet", "__file__")).open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as raw,
    ):
        assert raw.find(variable.removeprefix("RAY_").encode()) >= 0, f"Ray {ray.__version__} has no {variable}"


def test_ray_asks_the_job_before_it_puts_the_working_folder_on_the_path_of_workers():
    source = inspect.getsource(need("ray._private.worker", "connect"))
    assert source.count("not job_config._runtime_env_has_working_dir()") == 2, (
        f"Ray {ray.__version__} puts folders on the path of workers in another way"
    )
    job = internals.job_without_working_folder()
    assert isinstance(job, need("ray.job_config", "JobConfig"))
    assert job._runtime_env_has_working_dir()


def test_without_a_cluster_there_is_no_raylet():
    need("ray._private.worker", "global_worker")
    assert internals.raylet_process() is None
